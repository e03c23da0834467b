import { MigrateError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import { fieldName, fitsMask, replaceSecrets, type Sections, secretFields } from '../../model/secret-mask.ts';

/** The operator's real values, as the config has them: by section, or by tenant and section. */
export type ConfigSecrets = Readonly<Record<string, Json>>;

/** The given values of one tenant by the name of the field, as {@link fieldName} writes it. */
export type GivenFields = ReadonlyMap<string, string>;

/** What is known of the secrets of one tenant's config. */
export interface KnownSecrets {
  /** By the operator, who can give it again at an undo. */
  readonly given: GivenFields;
  /** By the application's own record, which may be gone at an undo. */
  readonly recorded: GivenFields;
  /** Whether the application keeps such a record of this tenant. */
  readonly kept: boolean;
  /** Seals secrets for the undo log; without it the log holds none. */
  readonly key: string | undefined;
}

/** What is known of the secrets at both ends of a move. */
export interface MoveSecrets {
  readonly source: KnownSecrets;
  readonly target: KnownSecrets;
}

/** Every real value that is known. */
export function realFields({ given, recorded }: KnownSecrets): GivenFields {
  return recorded.size === 0 ? given : new Map([...recorded, ...given]);
}

/** What is known of the secrets of a move, by what the API shows of its ends now. */
export type SecretsOf = (
  move: Move,
  found: { readonly source?: Sections | undefined; readonly target?: Sections | undefined },
) => Promise<MoveSecrets>;

/** How the given values fit one config. Names of fields, never values. */
export interface SecretCheck {
  /** Masked fields without a given value. */
  readonly missing: readonly string[];
  /** Given values that cannot be what the API shows. */
  readonly mismatched: readonly string[];
  /** Given values for which the config has no secret. */
  readonly unknown: readonly string[];
}

/** Reads a secrets file. Throws MigrateError('settings') that quotes nothing of it. */
export function parseConfigSecrets(text: string): ConfigSecrets {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text: it must go no further.
    throw malformed('is not JSON');
  }
  if (!isMembers(value)) throw malformed('is not a JSON object');
  for (const part of Object.values(value)) {
    if (!isMembers(part)) throw malformed('has a section that is not an object');
    if (!holdsTextsOnly(part)) throw malformed('has a value that is neither text nor an object or list of texts');
  }
  return value;
}

interface Asked {
  readonly moves: readonly Move[];
  readonly sections: readonly string[];
}

/**
 * The values given for both ends of a move. Several moves need them by tenant: a bare mask fits every value, so one
 * tenant's secret could pass for another's. Values by section alone are the source's.
 */
export function givenFields(
  given: ConfigSecrets | undefined,
  move: Move,
  asked: Asked,
): { readonly source: GivenFields; readonly target: GivenFields } {
  const byTenant = isByTenant(given, asked);
  const fields = (part: unknown): GivenFields => new Map(isMembers(part) ? texts(part, []) : []);
  const of = (tenant: string) => (given !== undefined && Object.hasOwn(given, tenant) ? given[tenant] : undefined);
  return byTenant
    ? { source: fields(of(move.source)), target: fields(of(move.target)) }
    : { source: fields(given), target: new Map() };
}

/** Which names of a secrets file can mean nothing here, since they are neither a section nor a tenant. */
export function strayNames(given: ConfigSecrets | undefined, asked: Asked): readonly string[] {
  const { moves, sections } = asked;
  const names = Object.keys(given ?? {});
  if (isByTenant(given, asked)) {
    const tenants = moves.flatMap(({ source, target }) => [source, target]);
    // Other tenants' entries are another run's; a section among them would silently stay unused.
    return names.filter((name) => sections.includes(name) && !tenants.includes(name));
  }
  return names.filter((name) => !sections.includes(name));
}

/** Compares the given values with a config as the API returns it. */
export function checkSecrets(found: Sections, maskedMembers: readonly string[], given: GivenFields): SecretCheck {
  const fields = new Map(secretFields(found, maskedMembers).map((field) => [fieldName(field.path), field]));
  const masked = [...fields].filter(([, field]) => field.masked).map(([name]) => name);
  return {
    missing: masked.filter((name) => !given.has(name)),
    mismatched: [...given].flatMap(([name, value]) => {
      const field = fields.get(name);
      if (field === undefined) return [];
      return (field.masked ? fitsMask(value, field.value) : value === field.value) ? [] : [name];
    }),
    unknown: [...given.keys()].filter((name) => !fields.has(name)),
  };
}

/** A config that is ready to be sent, and the secrets in it, which no message may show. */
export interface FilledConfig {
  readonly sections: Sections;
  readonly secrets: readonly string[];
}

/**
 * The config with the given values in place of its masks. Throws MigrateError('refused') that names the fields where
 * one is not given or does not fit: a mask is never sent.
 */
export function fillSecrets(
  found: Sections,
  maskedMembers: readonly string[],
  given: GivenFields,
  { next = 'give the real values with --config-secrets <file>' }: { readonly next?: string } = {},
): FilledConfig {
  const secrets: string[] = [];
  const unfit: string[] = [];
  const sections = replaceSecrets(found, maskedMembers, ({ path, value, masked }) => {
    const name = fieldName(path);
    const secret = masked ? given.get(name) : value;
    if (secret === undefined || (masked && !fitsMask(secret, value))) unfit.push(name);
    secrets.push(secret ?? value);
    return secret ?? value;
  });
  if (unfit.length === 0) return { sections, secrets };
  throw new MigrateError('refused', `the config API masks ${unfit.join(', ')} and no value that fits is given`, {
    stage: 'config',
    next,
  });
}

function isByTenant(given: ConfigSecrets | undefined, { moves, sections }: Asked): boolean {
  const [move, ...others] = moves;
  if (move === undefined || others.length > 0) return true;
  return [move.source, move.target].some(
    (tenant) => given !== undefined && Object.hasOwn(given, tenant) && !sections.includes(tenant),
  );
}

function* texts(value: Json, path: readonly (string | number)[]): Generator<[string, string]> {
  if (typeof value === 'string') yield [fieldName(path), value];
  else if (isList(value)) for (const [index, item] of value.entries()) yield* texts(item, [...path, index]);
  else if (isMembers(value)) for (const [name, item] of Object.entries(value)) yield* texts(item, [...path, name]);
}

/** A null in a list keeps the place of an item that is not given. */
function holdsTextsOnly(value: Json): boolean {
  if (value === null || typeof value === 'string') return true;
  if (isList(value)) return value.every(holdsTextsOnly);
  return isMembers(value) && Object.values(value).every(holdsTextsOnly);
}

function malformed(fault: string): MigrateError {
  return new MigrateError('settings', `the file given with --config-secrets ${fault}`, {
    stage: 'config',
    next: 'write it as { "llm_config": { "api_key": "…" } }, for several moves by tenant',
  });
}

function isMembers(value: unknown): value is Readonly<Record<string, Json>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
