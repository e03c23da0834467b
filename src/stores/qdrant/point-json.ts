/** A point id as its JSON token, `"uuid"` or `123`: numbers above 2^53 survive, and it goes into a body as it is. */
export type PointId = string;

/** Turns the server's JSON text into values without rounding an integer. */
export interface PointJson {
  /**
   * Parses text of which only ids and strings are used. Integers of 16 digits or more become {@link NumberToken};
   * all other numbers are plain. JSON.parse does the work unless such an integer may be there: it is four times faster.
   */
  parse(text: string): unknown;
  /** Parses text so that every number is a {@link NumberToken}: `1.0` and `1` stay two different things. */
  parseExact(text: string): unknown;
}

/** A number as the server wrote it. */
export class NumberToken {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Loads the exact parser; imported late so that the command line starts without it. */
export async function loadPointJson(): Promise<PointJson> {
  const { parse } = await import('lossless-json');
  return {
    parse: (text) => (mayHoldLongInteger(text) ? parse(text, null, shortNumber) : JSON.parse(text)),
    parseExact: (text) => parse(text, null, (token) => new NumberToken(token)),
  };
}

/** True where an integer over 15 digits may stand in the text; a hit inside a string only costs time. */
export function mayHoldLongInteger(text: string): boolean {
  return /[:[,]\s*-?\d{16,}(?![\d.eE])/.test(text);
}

function shortNumber(token: string): number | NumberToken {
  return /^-?\d{16,}$/.test(token) ? new NumberToken(token) : Number(token);
}

/** The JSON token of an id that {@link PointJson} parsed. Throws a TypeError on anything that is no point id. */
export function pointId(value: unknown): PointId {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof NumberToken) return value.text;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  throw new TypeError('a point without a usable id');
}

/** An id as people read it: a UUID without its quotes. */
export function pointIdText(id: PointId): string {
  return id.startsWith('"') ? id.slice(1, -1) : id;
}

/** Canonical JSON text of a value from `parseExact`: keys in code-unit order, numbers as the server wrote them. */
export function exactText(value: unknown): string {
  if (value instanceof NumberToken) return value.text;
  if (Array.isArray(value)) return `[${value.map(exactText).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${exactText(member)}`);
  return `{${members.join(',')}}`;
}
