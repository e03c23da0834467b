/** `$${` is a `${` that is meant as it stands. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\})?/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** A `${…}` that has no value, or is none; `index` is where in the text it begins. */
export interface BadReference {
  readonly index: number;
  readonly problem: string;
}

/** Whether the text is to be filled from the environment. */
export function hasReference(text: string): boolean {
  return [...text.matchAll(REFERENCE)].some(([whole]) => whole !== '$${');
}

/** The text's references that cannot be read, whatever the environment is. */
export function badReferences(text: string): readonly BadReference[] {
  return [...text.matchAll(REFERENCE)].flatMap(({ 0: whole, 1: inner, 2: end, index }) => {
    if (whole === '$${') return [];
    if (end === undefined)
      return [{ index, problem: `\${ has no } behind it (where \${ is meant as it stands, write $\${)` }];
    return NAME.test(inner ?? '') ? [] : [{ index, problem: `is neither \${NAME} nor \${NAME:-default}` }];
  });
}

/**
 * The text with `${NAME}` and `${NAME:-default}` filled in. An empty variable is an unset one. What is filled in is not
 * looked at again: a value cannot name another variable.
 */
export function filledIn(
  text: string,
  env: NodeJS.ProcessEnv,
): { readonly text: string; readonly unset: readonly BadReference[] } {
  const unset: BadReference[] = [];
  const filled = text.replace(REFERENCE, (whole: string, inner: string | undefined, _end, index: number) => {
    if (whole === '$${') return '${';
    const [, name = '', standard] = NAME.exec(inner ?? '') ?? [];
    const value = env[name] === '' ? undefined : env[name];
    if (value === undefined && standard === undefined) {
      unset.push({ index, problem: `the variable ${name} is not set (\${${name}:-} where it may be missing)` });
    }
    return value ?? standard ?? '';
  });
  return { text: filled, unset };
}
