import { asDouble, type Json } from './exact-json.ts';
import { type JsonPath, parsePath, valuesAt } from './json-path.ts';
import { OrderedPoints } from './ordered-points.ts';
import type { Point } from './point.ts';
import { badFormat } from './qdrant-error.ts';

export type Scalar = string | number | bigint | boolean;

const KINDS = ['keyword', 'integer', 'float', 'geo', 'text', 'bool', 'datetime', 'uuid'];
const NAMES = '`keyword`, `integer`, `float`, `geo`, `text`, `bool`, `datetime`, `uuid`';
const OF_TYPE: Readonly<Record<string, (value: Json) => boolean>> = {
  keyword: (value) => typeof value === 'string',
  uuid: (value) => typeof value === 'string' && uuidNumber(value) !== undefined,
  text: (value) => typeof value === 'string',
  datetime: (value) => typeof value === 'string',
  integer: (value) => typeof value === 'number' || typeof value === 'bigint',
  float: (value) => asDouble(value) !== undefined,
  bool: (value) => typeof value === 'boolean',
};

/** A payload index: for each value the points that hold it. A value stays listed after its last point has left. */
export class FieldIndex {
  readonly type: string;
  readonly path: JsonPath;
  /** The parameters as given, where the schema was more than a type's name. */
  readonly params: Json | undefined;
  readonly points = new Set<Point>();
  private readonly byValue = new Map<Scalar, OrderedPoints>();

  constructor(field: string, schema: Json | undefined) {
    const given = schema === undefined ? 'keyword' : schema;
    const type = typeof given === 'string' ? given : (given as { readonly type?: Json } | null)?.type;
    if (typeof type !== 'string' || !KINDS.includes(type)) {
      throw badFormat(`unknown variant \`${String(type)}\`, expected one of ${NAMES}`);
    }
    this.type = type;
    this.params = typeof given === 'string' ? undefined : given;
    this.path = parsePath(field);
  }

  /** Whether the index answers `match` with a value, and so facets. */
  get matches(): boolean {
    return this.type === 'keyword' || this.type === 'integer' || this.type === 'bool' || this.type === 'uuid';
  }

  get values(): IterableIterator<[Scalar, OrderedPoints]> {
    return this.byValue.entries();
  }

  /** The points that hold the value; none where the index cannot tell. */
  lookup(value: Scalar): OrderedPoints | undefined {
    if (!this.matches || !this.holds(value)) return undefined;
    return this.byValue.get(this.valueOf(value)) ?? new OrderedPoints();
  }

  add(point: Point): void {
    for (const value of this.indexed(point)) {
      this.points.add(point);
      if (!this.matches) continue;
      let holders = this.byValue.get(value);
      if (holders === undefined) {
        holders = new OrderedPoints();
        this.byValue.set(value, holders);
      }
      holders.add(point);
    }
  }

  /** To be called while the point still has the payload with which it was added. */
  remove(point: Point): void {
    if (!this.points.delete(point)) return;
    for (const value of this.indexed(point)) this.byValue.get(value)?.delete(point);
  }

  /** A uuid index keeps the number, so that every spelling of it is the same value. */
  private valueOf(value: Scalar): Scalar {
    return this.type === 'uuid' ? (uuidNumber(String(value)) ?? value) : value;
  }

  private holds(value: Json): boolean {
    return OF_TYPE[this.type]?.(value) ?? false;
  }

  private indexed(point: Point): readonly Scalar[] {
    const [value, ...more] = valuesAt(point.payload, this.path);
    if (value === undefined) return [];
    const all = more.length === 0 && !Array.isArray(value) ? [value] : [value, ...more].flat();
    const held = all.filter((element) => this.holds(element)) as Scalar[];
    return this.type === 'uuid' ? held.map((one) => this.valueOf(one)) : held;
  }
}

/** What Rust's `Uuid::parse_str` reads, as the text of its number with hyphens; undefined for any other text. */
export function uuidNumber(text: string): string | undefined {
  const hyphenated = /^(?:urn:uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;
  const bare = hyphenated.exec(text)?.[1] ?? hyphenated.exec(/^\{(.*)\}$/.exec(text)?.[1] ?? '')?.[1];
  const digits = bare?.replaceAll('-', '') ?? (/^[0-9a-f]{32}$/i.test(text) ? text : undefined);
  return digits?.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
