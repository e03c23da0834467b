/** One step in which an application turns a tenant's name into a part of another name. */
export type NameStep =
  /** Each run of characters outside the class becomes one text; `each` replaces one by one. */
  | { readonly replace: string; readonly by: string; readonly each?: boolean }
  /** These characters are taken off both ends. */
  | { readonly strip: string }
  | { readonly lower: true }
  /** What stands for a name of which nothing is left. */
  | { readonly whenEmpty: string }
  /** Put in front where the first character is outside the class. */
  | { readonly prefix: string; readonly unless: string };

/** A name that an application makes from a tenant's by a function, as data: `{name}` in the template is what the steps make. */
export interface DerivedName {
  readonly template: string;
  readonly steps: readonly NameStep[];
  /** How earlier versions of the application, or of this program, made it: known as the tenant's, never made anew. */
  readonly former?: readonly (readonly NameStep[])[];
}

/** The name as the application makes it for this tenant. */
export function derivedName({ template, steps }: DerivedName, tenant: string): string {
  return template.replace('{name}', () => steps.reduce(stepOf, tenant));
}

/** Whether the application, or an earlier version of it, has made the name for this tenant. */
export function isDerivedName(rule: DerivedName, { name, tenant }: { readonly name: string; readonly tenant: string }) {
  const ways = [rule.steps, ...(rule.former ?? [])];
  return ways.some((steps) => derivedName({ template: rule.template, steps }, tenant) === name);
}

function stepOf(text: string, step: NameStep): string {
  if ('replace' in step) return text.replaceAll(outside(step.replace, step.each === true ? '' : '+'), () => step.by);
  if ('strip' in step) return text.replaceAll(new RegExp(`^[${step.strip}]+|[${step.strip}]+$`, 'g'), '');
  if ('lower' in step) return text.toLowerCase();
  if ('whenEmpty' in step) return text === '' ? step.whenEmpty : text;
  return outside(step.unless, '').test(text[0] ?? '') ? step.prefix + text : text;
}

/** Characters outside a class such as `A-Za-z0-9_`; a character beyond 16 bits is one. */
function outside(characters: string, many: '' | '+'): RegExp {
  return new RegExp(`[^${characters}]${many}`, 'gu');
}
