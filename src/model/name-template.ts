import { MigrateError } from './errors.ts';

const PLACEHOLDER = '{tenant}';

/** The name of something that belongs to one tenant as a whole, such as `{tenant}_docs`: all but the id is literal. */
export interface NameTemplate {
  readonly text: string;
  readonly prefix: string;
  readonly suffix: string;
}

/** Reads a template. Throws MigrateError `usage` on one that names no tenant, or leaves the rest of a name open. */
export function parseNameTemplate(text: string): NameTemplate {
  const [prefix, suffix, ...more] = text.split(PLACEHOLDER);
  if (prefix === undefined || suffix === undefined) throw templateError(text, 'holds no {tenant}');
  if (more.length > 0) throw templateError(text, 'holds {tenant} twice');
  if (text.includes('*')) throw templateError(text, 'holds *: the rest of a name must be given in full');
  return { text, prefix, suffix };
}

/** The name that the template gives to a tenant. */
export function nameOf({ prefix, suffix }: NameTemplate, tenant: string): string {
  return `${prefix}${tenant}${suffix}`;
}

/** The template that would claim a name in which the id stands as a whole word; undefined where it does not. */
export function templateFor(name: string, tenant: string): string | undefined {
  for (let at = name.indexOf(tenant); at >= 0; at = name.indexOf(tenant, at + 1)) {
    const end = at + tenant.length;
    if (!isWordEnd(name.slice(0, at), -1) || !isWordEnd(name.slice(end), 0)) continue;
    return `${name.slice(0, at)}${PLACEHOLDER}${name.slice(end)}`;
  }
  return undefined;
}

/** True where a word ends between a name's part and the id beside it. */
function isWordEnd(part: string, at: number): boolean {
  const neighbour = [...part].at(at);
  return neighbour === undefined || !/[\p{L}\p{N}]/u.test(neighbour);
}

function templateError(text: string, problem: string): MigrateError {
  return new MigrateError('usage', `the collection template '${text}' ${problem}`, {
    next: "write it as '{tenant}_docs'",
  });
}
