import { WholeFloat } from './exact-json.ts';
import { badFormat } from './qdrant-error.ts';

/** A UUID in lower case with hyphens, or an unsigned 64-bit integer: a bigint where it is above 2^53. */
export type PointId = string | number | bigint;

const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HYPHENATED = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const BARE = /^[0-9a-f]{32}$/i;
const U64_MAX = 18446744073709551615n;

/** An id as a JSON value gives it, in any spelling that Qdrant takes. */
export function pointIdOf(given: unknown): PointId {
  if (typeof given === 'string') return uuidOf(given);
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 0) return given;
  if (typeof given === 'bigint' && given >= 0n) return given;
  throw badFormat(`value ${shown(given)} is not a valid point ID, ${VALID}`);
}

/** An id as a path segment gives it. */
export function pointIdFromPath(segment: string): PointId {
  if (!/^\d+$/.test(segment)) return uuidOf(segment);
  const value = BigInt(segment);
  if (value > U64_MAX) throw badFormat(`value ${segment} is not a valid point ID, ${VALID}`);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

export function idText(id: PointId): string {
  return typeof id === 'string' ? `"${id}"` : String(id);
}

/** Numbers before UUIDs, each ascending. */
export function compareIds(left: PointId, right: PointId): number {
  const leftIsUuid = typeof left === 'string';
  if (leftIsUuid !== (typeof right === 'string')) return leftIsUuid ? 1 : -1;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

const VALID = 'valid values are either an unsigned integer or a UUID';

function uuidOf(given: string): string {
  if (CANONICAL.test(given)) return given;
  const plain = given.replace(/^urn:uuid:/i, '').replace(/^\{(.*)\}$/, '$1');
  if (HYPHENATED.test(plain)) return plain.toLowerCase();
  if (BARE.test(plain)) {
    return plain.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
  throw badFormat(`value ${given} is not a valid point ID, ${VALID}`);
}

function shown(given: unknown): string {
  if (given instanceof WholeFloat) return String(given.value);
  return typeof given === 'object' ? JSON.stringify(given) : String(given);
}
