import { MigrateError } from './errors.ts';

/** A place in JSON values where the application writes the tenant's id. */
export interface ValueField {
  /** The key template whose values these are. */
  readonly template: string;
  /** The name of a member of the value's object, or a JSON pointer to one in objects inside it (`/meta/tenant`). */
  readonly field: string;
}

/** Reads `task:{tenant}:*=tenant_id`. Throws MigrateError `usage`. */
export function parseValueField(text: string): ValueField {
  // The field stands behind the last `=`: a key may hold one, too.
  const at = text.lastIndexOf('=');
  const [template, field] = [text.slice(0, at), text.slice(at + 1)];
  if (at > 0 && field !== '' && field !== '/') return { template, field };
  throw new MigrateError('usage', `the value field '${text}' names no template with a field`, {
    next: "write it as 'task:{tenant}:*=tenant_id', nested as 'task:{tenant}:*=/meta/tenant'",
  });
}

/** The names on the way to the field, by RFC 6901 where it is a pointer. */
export function fieldPath({ field }: ValueField): readonly string[] {
  if (!field.startsWith('/')) return [field];
  return field
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}
