/** Of a Qdrant collection, what its strict mode makes of a move of points. */
export interface StrictCollection {
  readonly name: string;
  readonly limits: {
    readonly filterMaxConditions: number | undefined;
    readonly conditionMaxSize: number | undefined;
    readonly maxIndexes: number | undefined;
    readonly refusesExact: boolean;
    readonly readNeedsIndex: boolean;
    readonly writeNeedsIndex: boolean;
  };
  /** Payload indexes by field. */
  readonly indexes: ReadonlyMap<string, { readonly type: string }>;
}

export interface StrictRefusal {
  /** Goes on from the collection's name. */
  readonly message: string;
  /** Names the setting to change. */
  readonly fix: string;
}

/** A guarded write asks for the ids and for the value that stands there. */
const CONDITIONS_OF_A_WRITE = 2;
/** Index types that can serve a condition on a tenant. */
const SERVING = new Set(['keyword', 'integer', 'uuid']);

/**
 * What a collection's strict mode refuses of that which every move of points in it does; `field` holds the tenant. The
 * rules are those of Qdrant 1.17 (lib/collection/src/operations/verification).
 */
export function strictRefusals({ name, limits, indexes }: StrictCollection, field: string): readonly StrictRefusal[] {
  const refusals: StrictRefusal[] = [];
  const say = (refused: boolean, message: string, fix: string) => {
    if (refused) refusals.push({ message, fix });
  };
  const { filterMaxConditions, conditionMaxSize, maxIndexes, readNeedsIndex, writeNeedsIndex } = limits;
  const type = indexes.get(field)?.type;
  say(
    limits.refusesExact,
    'refuses exact counts (search_allow_exact: false), and a move counts exactly',
    `set search_allow_exact of ${name} to true`,
  );
  say(
    (filterMaxConditions ?? CONDITIONS_OF_A_WRITE) < CONDITIONS_OF_A_WRITE,
    `allows ${filterMaxConditions === 0 ? 'no' : 'one'} condition in a filter; a guarded write needs two`,
    `raise filter_max_conditions of ${name} to 2`,
  );
  say(
    conditionMaxSize === 0,
    'allows no list in a condition (condition_max_size: 0); a guarded write lists the ids',
    `raise condition_max_size of ${name}, best to 5000`,
  );
  say(
    type === undefined && maxIndexes !== undefined && indexes.size >= maxIndexes,
    `allows no further payload index (it has ${indexes.size}); a move makes one on ${field}`,
    `raise max_payload_index_count of ${name} to ${indexes.size + 1}`,
  );
  say(
    (readNeedsIndex || writeNeedsIndex) && type !== undefined && !SERVING.has(type),
    `wants an index for every filter, and the ${type} index on ${field} serves none for a tenant`,
    `make the index on ${field} in ${name} one of type keyword`,
  );
  return refusals;
}
