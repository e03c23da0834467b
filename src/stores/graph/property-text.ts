/**
 * A node's property value, or all its properties, as text: equal values give equal text, different values of any type
 * different text. Expects values as the driver gives them with `useBigInt`, so that integers are never rounded.
 */
export function propertyText(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `int:${value}`;
    case 'number':
      return `float:${Object.is(value, -0) ? '-0' : value}`;
    case 'string':
      return JSON.stringify(value);
    case 'boolean':
      return `${value}`;
    case 'object':
      return value === null ? 'null' : objectText(value);
    default:
      return typeof value;
  }
}

function objectText(value: object): string {
  if (Array.isArray(value)) return `[${value.map(propertyText).join(',')}]`;
  const prototype = Object.getPrototypeOf(value);
  const name = prototype === null || prototype === Object.prototype ? '' : String(prototype.constructor?.name);
  if (ArrayBuffer.isView(value)) {
    return `${name}:${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  }
  // Points, temporal values and maps: the driver's classes hold their parts as own members, absent ones as undefined.
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${propertyText(member)}`);
  return `${name}{${members.join(',')}}`;
}
