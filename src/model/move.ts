/** One tenant's change of id. Both ids are compared byte for byte and never normalised. */
export interface Move {
  readonly source: string;
  readonly target: string;
}

/** Longest tenant id, in bytes of UTF-8. */
export const MAX_TENANT_ID_BYTES = 255;

/**
 * Says why a tenant id cannot be used, or undefined where it can.
 * A backslash is refused because Neo4j decodes `\u0060` inside escaped names.
 */
export function tenantIdProblem(id: string): string | undefined {
  if (id === '') return 'is empty';
  if (/\p{Surrogate}/u.test(id)) return 'is not valid Unicode';
  if (Buffer.byteLength(id) > MAX_TENANT_ID_BYTES) return `is longer than ${MAX_TENANT_ID_BYTES} bytes`;
  if (hasControlCharacter(id)) return 'holds a control character';
  if (id.includes('\\')) return 'holds a backslash';
  return undefined;
}

function hasControlCharacter(id: string): boolean {
  for (const character of id) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
  }
  return false;
}

const MOST_NAMED = 5;

/** The first moves of a list, and how many more there are. */
export function movesText(moves: readonly Move[]): string {
  const named = moves.slice(0, MOST_NAMED).map(moveText).join(', ');
  return moves.length > MOST_NAMED ? `${named} and ${(moves.length - MOST_NAMED).toLocaleString('en')} more` : named;
}

/** `source → target`, as it is written wherever a move is named. */
export function moveText(move: Move): string {
  return `${move.source} → ${move.target}`;
}
