import type { Json } from './json.ts';

/** Named parts of a config. */
export type Sections = Readonly<Record<string, Json>>;

/** Where a value stands: the section, then names of members and positions in lists. */
export type FieldPath = readonly (string | number)[];

/** A text that stands where a secret belongs. */
export interface SecretField {
  readonly path: FieldPath;
  readonly value: string;
  /** True where the value is a mask instead of the secret. */
  readonly masked: boolean;
}

interface Mask {
  readonly prefix: string;
  readonly suffix: string;
}

/**
 * rag-api's `mask_api_key`: a secret of up to eight characters becomes `***`, a longer one its first three characters,
 * `***` and its last four.
 */
const LONGEST_BARE = 8;
const BARE = /^\*{3,}$/u;
const THREE_AND_FOUR = /^(.{3})\*{3}(.{4})$/su;
/** Other APIs show other numbers of characters. A mask that is not known for one would be written over the secret. */
const OTHER = /^([^\s*]{0,8})\*{3,}([^\s*]{0,8})$/u;
/** `key` and `token` only as the end of a word: `keywords` and `tokenizer` hold no secrets. */
const SECRET_NAME = /secret|passw|credential|(?:key|token)s?(?![a-z])/i;

/** Whether the whole text is a mask. To be asked only of values that stand where a secret belongs. */
export function isMask(text: string): boolean {
  return parseMask(text) !== undefined;
}

/** Whether the mask shows nothing of its secret. */
export function isBareMask(text: string): boolean {
  return BARE.test(text);
}

/** Whether masking `secret` could have given `mask`. A bare `***` fits every secret: it proves nothing. */
export function fitsMask(secret: string, mask: string): boolean {
  const shown = parseMask(mask);
  if (shown === undefined || secret === '' || isMask(secret)) return false;
  if (shown.prefix === '' && shown.suffix === '') return true;
  const shortest = Math.max(LONGEST_BARE, [...shown.prefix, ...shown.suffix].length) + 1;
  return [...secret].length >= shortest && secret.startsWith(shown.prefix) && secret.endsWith(shown.suffix);
}

/** The secret as rag-api shows it. */
export function maskOf(secret: string): string {
  const characters = [...secret];
  if (characters.length <= LONGEST_BARE) return '***';
  return `${characters.slice(0, 3).join('')}***${characters.slice(-4).join('')}`;
}

/**
 * Every text where a secret belongs: members at the top of a section that the profile names, and at any depth what
 * stands under a name that looks like a secret's. Empty texts are none.
 */
export function secretFields(sections: Sections, maskedMembers: readonly string[]): readonly SecretField[] {
  const fields: SecretField[] = [];
  replaceSecrets(sections, maskedMembers, (field) => {
    fields.push(field);
    return field.value;
  });
  return fields;
}

/** A copy in which `replace` chose the text of every field that {@link secretFields} names. */
export function replaceSecrets(
  sections: Sections,
  maskedMembers: readonly string[],
  replace: (field: SecretField) => string,
): Sections {
  return walkMembers(sections, { path: [], secret: false });

  function walkMembers(members: Sections, at: Place): Sections {
    // Built from entries, so that a member called __proto__ stays a member.
    return Object.fromEntries(
      Object.entries(members).map(([name, value]) => {
        const secret = at.secret || SECRET_NAME.test(words(name)) || isNamedMember(name, at.path);
        return [name, walk(value, { path: [...at.path, name], secret })];
      }),
    );
  }

  function walk(value: Json, at: Place): Json {
    if (typeof value === 'string') {
      return at.secret && value !== '' ? replace({ path: at.path, value, masked: isMask(value) }) : value;
    }
    if (isList(value)) return value.map((item, index) => walk(item, { ...at, path: [...at.path, index] }));
    return value !== null && typeof value === 'object' ? walkMembers(value, at) : value;
  }

  function isNamedMember(name: string, path: FieldPath): boolean {
    return path.length === 1 && maskedMembers.includes(name);
  }
}

/** `llm_config.api_key`, `pool.keys[0]`, `prompts["a.b"]`: different paths give different names. */
export function fieldName(path: FieldPath): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[\w-]+$/.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}

interface Place {
  readonly path: FieldPath;
  /** Something on the way here is named like a secret. */
  readonly secret: boolean;
}

function parseMask(text: string): Mask | undefined {
  if (BARE.test(text)) return { prefix: '', suffix: '' };
  const found = THREE_AND_FOUR.exec(text) ?? OTHER.exec(text);
  return found === null ? undefined : { prefix: found[1] ?? '', suffix: found[2] ?? '' };
}

/** `apiKeyId` as `api_Key_Id`, so that the end of a word shows. */
function words(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2');
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
