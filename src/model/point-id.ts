import { hash } from 'node:crypto';
import { MigrateError } from './errors.ts';
import { rawMembers } from './raw-json.ts';

/** How an application makes a point's id from the tenant and the point's payload, as data. */
export interface PointIdScheme {
  /** As messages call it. */
  readonly name: string;
  readonly make: PointIdMake;
  /** For `uuid5` and `uuid3`: the namespace, a UUID. */
  readonly namespace?: string;
  /** The text that is hashed: `{tenant}`, `{payload.<path>}` and literal characters. */
  readonly text: string;
}

/**
 * `uuid5`, `uuid3`: RFC 9562 name-based UUIDs of namespace and text (SHA-1, MD5). `md5`, `sha256`: the first 16 bytes of
 * the text's hash as a UUID, as they are. `md5-uuid4`, `sha256-uuid4`: the same with the bits of a version-4 UUID set, as
 * Python's `uuid.UUID(bytes=…, version=4)` does.
 */
export type PointIdMake = 'uuid5' | 'uuid3' | 'md5' | 'md5-uuid4' | 'sha256' | 'sha256-uuid4';

/** The namespaces of RFC 9562 by their names. */
const NAMESPACES: Readonly<Record<string, string>> = {
  dns: '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
  url: '6ba7b811-9dad-11d1-80b4-00c04fd430c8',
  oid: '6ba7b812-9dad-11d1-80b4-00c04fd430c8',
  x500: '6ba7b814-9dad-11d1-80b4-00c04fd430c8',
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const PLACEHOLDER = /\{([^{}]*)\}/g;
const FORMS =
  'uuid5(<namespace>, {tenant}:{payload.id}), uuid3(<namespace>, …), md5(…), md5-uuid4(…), sha256(…) or sha256-uuid4(…); a namespace is a UUID, dns, url, oid or x500';

/**
 * The id token, with its quotes, that the application computes for a record of the tenant; undefined where the payload
 * lacks what the scheme asks for. `payload` is the text of an object.
 */
export function derivedId(scheme: PointIdScheme, tenant: string, payload: string): string | undefined {
  return idMaker(scheme)(rawMembers(payload))?.(tenant);
}

/** The same for many points, their payloads in pieces: the scheme is read once, each payload once for however many tenants. */
export function idMaker(
  scheme: PointIdScheme,
): (payload: ReadonlyMap<string, string>) => ((tenant: string) => string) | undefined {
  const parts = partsOf(scheme.text);
  return (payload) => {
    const texts: (string | undefined)[] = [];
    for (const part of parts) {
      const value = part.kind === 'field' ? fieldText(payload, part.path) : part.kind === 'literal' ? part.text : null;
      if (value === undefined) return undefined;
      texts.push(value ?? undefined);
    }
    return (tenant) => `"${uuidText(scheme, texts.map((text) => text ?? tenant).join(''))}"`;
  };
}

/** Paths of the payload that a scheme asks for. */
export function fieldsOf({ text }: PointIdScheme): readonly string[] {
  return partsOf(text).flatMap((part) => (part.kind === 'field' ? [part.path.join('.')] : []));
}

/** Reads `uuid5(<namespace>, {tenant}:{payload.id})` and its like. Throws MigrateError `usage` that names the forms. */
export function parsePointIdScheme(given: string): PointIdScheme {
  const [, make = '', inner = ''] = /^\s*([a-z0-9-]+)\((.*)\)\s*$/s.exec(given) ?? [];
  const scheme = schemeOf(given.trim(), make, inner);
  if (scheme === undefined) throw unusable(given, 'is none of the known forms');
  const names = [...scheme.text.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
  if (/[{}]/.test(scheme.text.replace(PLACEHOLDER, ''))) throw unusable(given, 'holds a brace without its partner');
  const strange = names.find((name) => name !== 'tenant' && !/^payload(\.[^.{}]+)+$/.test(name));
  if (strange !== undefined)
    throw unusable(given, `names {${strange}}, which is neither {tenant} nor {payload.<field>}`);
  if (!names.includes('tenant')) throw unusable(given, 'does not name {tenant}');
  if (!names.some((name) => name.startsWith('payload.')))
    throw unusable(given, 'names no {payload.<field>}: all points of a tenant would have one id');
  return scheme;
}

function schemeOf(name: string, make: string, inner: string): PointIdScheme | undefined {
  switch (make) {
    case 'uuid5':
    case 'uuid3': {
      const [, first = '', text = ''] = /^\s*([^,]*?)\s*,\s?(.*)$/s.exec(inner) ?? [];
      const namespace = NAMESPACES[first.toLowerCase()] ?? first.toLowerCase();
      if (!UUID.test(namespace)) throw unusable(name, `has the namespace "${first}", which is no UUID`);
      return { name, make, namespace, text: text.trimEnd() };
    }
    case 'md5':
    case 'md5-uuid4':
    case 'sha256':
    case 'sha256-uuid4':
      return { name, make, text: inner.trim() };
    default:
      return undefined;
  }
}

function unusable(given: string, why: string): MigrateError {
  return new MigrateError('usage', `--point-id "${given}" ${why}`, { next: `give one of: ${FORMS}` });
}

/** In hexadecimal from the start: most ids are made to be compared and thrown away, and a buffer each costs more than the hash. */
function uuidText({ make, namespace = '' }: PointIdScheme, text: string): string {
  const algorithm = make === 'uuid5' ? 'sha1' : make.startsWith('sha256') ? 'sha256' : 'md5';
  const isNamed = make === 'uuid5' || make === 'uuid3';
  const data = isNamed ? Buffer.concat([Buffer.from(namespace.replaceAll('-', ''), 'hex'), Buffer.from(text)]) : text;
  const hex = hash(algorithm, data, 'hex');
  const version = { uuid5: '5', uuid3: '3', 'md5-uuid4': '4', 'sha256-uuid4': '4', md5: undefined, sha256: undefined }[
    make
  ];
  const third = version === undefined ? hex.slice(12, 16) : version + hex.slice(13, 16);
  const fourth =
    version === undefined ? hex.slice(16, 20) : VARIANTS.charAt(Number(`0x${hex[16]}`)) + hex.slice(17, 20);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${third}-${fourth}-${hex.slice(20, 32)}`;
}

/** Each hexadecimal digit with the two bits of the variant set. */
const VARIANTS = '89ab89ab89ab89ab';

type Part =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'tenant' }
  | { readonly kind: 'field'; readonly path: readonly string[] };

function partsOf(text: string): readonly Part[] {
  return text
    .split(/(\{[^{}]*\})/)
    .filter((part) => part !== '')
    .map((part): Part => {
      if (part === '{tenant}') return { kind: 'tenant' };
      if (part.startsWith('{payload.')) return { kind: 'field', path: part.slice('{payload.'.length, -1).split('.') };
      return { kind: 'literal', text: part };
    });
}

/** A string as it is, a whole number as it is written; nothing else goes into an id. */
function fieldText(payload: ReadonlyMap<string, string>, path: readonly string[]): string | undefined {
  const [head = '', ...rest] = path;
  const value = payload.get(head);
  if (value === undefined) return undefined;
  if (rest.length > 0) return value.startsWith('{') ? fieldText(rawMembers(value), rest) : undefined;
  if (value.startsWith('"')) return JSON.parse(value) as string;
  return /^-?\d+$/.test(value) ? value : undefined;
}
