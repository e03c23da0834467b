/** A schema as OpenAPI 3.0 writes it, as far as Qdrant's description uses it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

export type Schemas = Readonly<Record<string, Schema>>;

/** Where the value breaks the schema, one line a place. A member that the schema does not name is a break, too. */
export function breaks(value: unknown, schema: Schema, schemas: Schemas, at = '$'): readonly string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace('#/components/schemas/', '');
    const target = schemas[name];
    return target === undefined ? [`${at}: the description lacks ${name}`] : breaks(value, target, schemas, at);
  }
  if (value === null && schema.nullable === true) return [];
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined) {
    const tried = choices.map((choice) => breaks(value, choice, schemas, at));
    return tried.some((found) => found.length === 0) ? [] : (tried[0] ?? []);
  }
  if (schema.allOf !== undefined) return schema.allOf.flatMap((part) => breaks(value, part, schemas, at));
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${at}: ${JSON.stringify(value)} is not named`];
  if (schema.minimum !== undefined && (value as number) < schema.minimum) return [`${at}: below ${schema.minimum}`];
  if (!isOf(value, schema.type)) return [`${at}: ${JSON.stringify(value)} is not of type ${schema.type}`];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => breaks(item, schema.items ?? {}, schemas, `${at}[${index}]`));
  }
  return typeof value === 'object' && value !== null ? memberBreaks(value, schema, schemas, at) : [];
}

function memberBreaks(value: object, schema: Schema, schemas: Schemas, at: string): readonly string[] {
  const { properties = {}, additionalProperties: others = schema.properties === undefined } = schema;
  const missing = (schema.required ?? []).filter((name) => !(name in value)).map((name) => `${at}: lacks ${name}`);
  const members = Object.entries(value).flatMap(([name, member]) => {
    const own = properties[name] ?? others;
    if (own === false) return [`${at}: ${name} is not described`];
    return own === true ? [] : breaks(member, own, schemas, `${at}.${name}`);
  });
  return [...missing, ...members];
}

function isOf(value: unknown, type: Schema['type']): boolean {
  switch (type) {
    case undefined:
      return true;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value);
    default:
      return typeof value === type;
  }
}
