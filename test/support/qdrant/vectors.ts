import { asDouble, isObject, type Json } from './exact-json.ts';
import { singlesText } from './float-text.ts';
import { badFormat, invalid, wrongInput } from './qdrant-error.ts';

export interface SparseVector {
  readonly indices: readonly number[];
  readonly values: Float32Array;
}
export type Vector = Float32Array | readonly Float32Array[] | SparseVector;
/** By name; the unnamed vector's name is empty. */
export type Vectors = { readonly [name: string]: Vector };

export interface DenseParams {
  readonly size: number;
  readonly distance: string;
  readonly multi: boolean;
}

/** Which vectors a collection has, in the order in which they are printed. */
export interface VectorSchema {
  readonly dense: ReadonlyMap<string, DenseParams>;
  readonly sparse: ReadonlySet<string>;
  /** Cosine vectors are normalised again though they have length 1: some get other last digits. */
  readonly renormalises?: boolean;
}

/** What `vectors` and `sparse_vectors` of a new collection ask for. */
export function vectorSchema(vectors: Json | undefined, sparse: Json | undefined): VectorSchema {
  const dense = new Map<string, DenseParams>();
  if (isObject(vectors)) {
    const named = 'size' in vectors && typeof vectors.size !== 'object' ? { '': vectors } : vectors;
    for (const [name, params] of Object.entries(named)) {
      if (!isObject(params)) throw badFormat('data did not match any variant of untagged enum VectorsConfig');
      const multi = isObject(params.multivector_config);
      dense.set(name, { size: asDouble(params.size) ?? 0, distance: String(params.distance), multi });
    }
  }
  return { dense, sparse: new Set(isObject(sparse) ? Object.keys(sparse) : []) };
}

/** The vectors of a point as a request gives them, checked and in the form in which they are stored. */
export function vectorsOf(given: Json | undefined, schema: VectorSchema): Vectors {
  if (Array.isArray(given)) return { '': vectorOf('', given, schema) };
  if (!isObject(given)) throw badFormat('data did not match any variant of untagged enum VectorStruct');
  const vectors: Record<string, Vector> = {};
  for (const [name, value] of Object.entries(given)) vectors[name] = vectorOf(name, value, schema);
  return vectors;
}

/** The JSON text of a point's vectors; of those named in `wanted` alone, where given. */
export function vectorsText(vectors: Vectors, schema: VectorSchema, wanted?: ReadonlySet<string>): string {
  if (schema.dense.has('') && wanted === undefined && schema.sparse.size === 0) return vectorText(vectors[''] ?? []);
  const parts: string[] = [];
  for (const name of [...schema.dense.keys(), ...schema.sparse]) {
    const vector = vectors[name];
    if (vector === undefined || (wanted !== undefined && !wanted.has(name))) continue;
    parts.push(`${JSON.stringify(name)}:${vectorText(vector)}`);
  }
  return `{${parts.join(',')}}`;
}

function vectorOf(name: string, given: Json, schema: VectorSchema): Vector {
  if (schema.sparse.has(name)) return sparseOf(given);
  const params = schema.dense.get(name);
  if (params === undefined) throw wrongInput(`Not existing vector name error: ${name}`);
  if (!Array.isArray(given)) throw wrongInput('Conversion between sparse and regular vectors failed');
  if (params.multi) {
    const rows = Array.isArray(given[0]) ? given : [given];
    return rows.map((row) => denseOf(row as readonly Json[], params, schema));
  }
  return denseOf(given as readonly Json[], params, schema);
}

function denseOf(given: readonly Json[], { size, distance }: DenseParams, schema: VectorSchema): Float32Array {
  if (given.length !== size) throw wrongInput(`Vector dimension error: expected dim: ${size}, got ${given.length}`);
  const vector = new Float32Array(size);
  for (let at = 0; at < size; at += 1) {
    const value = given[at];
    vector[at] = typeof value === 'number' ? value : numberOf(value);
  }
  if (distance === 'Cosine') normalise(vector, schema.renormalises === true);
  return vector;
}

/** Qdrant leaves a vector alone that is zero or has length 1 already, so that a copy of a copy stays the same. */
function normalise(vector: Float32Array, always: boolean): void {
  const squares = sumOfSquares(vector);
  if (squares < 1.1920929e-7 || (!always && Math.abs(squares - 1) <= 1e-6)) return;
  const length = Math.fround(Math.sqrt(squares));
  for (let at = 0; at < vector.length; at += 1) vector[at] = (vector[at] as number) / length;
}

/** The real server sums longer vectors in 32 lanes (AVX): one after the other the error would pass the 1e-6 above. */
const LANES = 32;

function sumOfSquares(vector: Float32Array): number {
  const lanes = vector.length < LANES ? 1 : LANES;
  const sums = new Float32Array(lanes);
  for (let at = 0; at < vector.length; at += 1) {
    const value = vector[at] as number;
    const lane = at % lanes;
    sums[lane] = (sums[lane] as number) + Math.fround(value * value);
  }
  return sums.reduce((sum, one) => Math.fround(sum + one), 0);
}

function sparseOf(given: Json): SparseVector {
  if (!isObject(given) || !Array.isArray(given.indices) || !Array.isArray(given.values)) {
    throw wrongInput('Conversion between sparse and regular vectors failed');
  }
  const { indices, values } = given as { indices: readonly Json[]; values: readonly Json[] };
  if (indices.length !== values.length) {
    throw invalid('vector.indices', 'must be the same length as values');
  }
  const pairs = indices
    .map((index, at) => [numberOf(index), numberOf(values[at])] as const)
    .sort((a, b) => a[0] - b[0]);
  return { indices: pairs.map(([index]) => index), values: Float32Array.from(pairs, ([, value]) => value) };
}

function numberOf(value: Json | undefined): number {
  const number = asDouble(value);
  if (number === undefined) throw badFormat('data did not match any variant of untagged enum VectorStruct');
  return number;
}

function vectorText(vector: Vector): string {
  if (vector instanceof Float32Array) return floatsText(vector);
  if ('indices' in vector) return `{"indices":[${vector.indices.join(',')}],"values":${floatsText(vector.values)}}`;
  return `[${vector.map(floatsText).join(',')}]`;
}

function floatsText(values: Float32Array): string {
  return `[${singlesText(values)}]`;
}
