/** A request that the simulated Qdrant refuses, with the status and the text that the real one gives. */
export class QdrantError extends Error {
  override readonly name = 'QdrantError';
  readonly status: number;
  /** Seconds, for the header `retry-after`. */
  readonly retryAfter: number | undefined;

  constructor(status: number, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export function wrongInput(text: string): QdrantError {
  return new QdrantError(400, `Wrong input: ${text}`);
}

export function badFormat(text: string): QdrantError {
  return new QdrantError(400, `Format error in JSON body: ${text}`);
}

export function invalid(path: string, text: string): QdrantError {
  return new QdrantError(422, `Validation error in JSON body: [${path}: ${text}]`);
}

export function notFound(text: string): QdrantError {
  return new QdrantError(404, `Not found: ${text}`);
}

/** A request that the real server understands and this one does not: loud, so that no test rests on it. */
export function notSimulated(what: string): QdrantError {
  return new QdrantError(501, `Not simulated: ${what}`);
}
