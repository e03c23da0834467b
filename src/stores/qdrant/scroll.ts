import { notQdrant } from './failure.ts';
import { type PointJson, pointId } from './point-json.ts';
import type { RawCall, RawCalls } from './raw-calls.ts';
import { collectionPath, objectText } from './request-body.ts';

/** Aim for the text of one page with vectors. */
const PAGE_BYTES = 4 << 20;
const FIRST_CONTENT_PAGE = 32;

export interface PageRequest {
  readonly raw: RawCalls;
  readonly json: PointJson;
  readonly collection: string;
  /** Members of the body as JSON text. */
  readonly members: Readonly<Record<string, string | undefined>>;
  /** Most points in a page. */
  readonly pageSize: number;
  /** Fit the pages to their bytes and keep every number as it is written. */
  readonly byBytes?: boolean;
  /** Keep every number as it is written. */
  readonly exact?: boolean | undefined;
}

/** A point as it was parsed; which members it has depends on the request. */
export interface RawPoint {
  readonly id: unknown;
  readonly payload?: Readonly<Record<string, unknown>> | null;
  readonly vector?: unknown;
}

/** Pages of points in ascending order of id. A page begins at the id that the last one named. */
export async function* scroll(request: PageRequest): AsyncGenerator<readonly RawPoint[]> {
  const { raw, json, collection, byBytes } = request;
  const path = `${collectionPath(collection)}/points/scroll`;
  const task = `read points of ${collection}`;
  let limit = byBytes ? Math.min(FIRST_CONTENT_PAGE, request.pageSize) : request.pageSize;
  for (let offset: string | undefined; ; ) {
    const body = objectText({ ...request.members, limit: String(limit), offset });
    let bytes = 0;
    const page = (await resultOf(raw, { method: 'POST', path, body, task, collection }, (text) => {
      bytes = text.length;
      return byBytes || request.exact ? json.parseExact(text) : json.parse(text);
    })) as { readonly points: readonly RawPoint[]; readonly next_page_offset?: unknown };
    if (page.points.length > 0) yield page.points;
    if (page.next_page_offset === undefined || page.next_page_offset === null) return;
    offset = pointId(page.next_page_offset);
    if (byBytes) {
      const fitting = Math.floor((PAGE_BYTES * page.points.length) / bytes);
      limit = Math.max(1, Math.min(fitting, limit * 4, request.pageSize));
    }
  }
}

/** The `result` member of a successful answer; an answer without one does not come from Qdrant. */
export async function resultOf(raw: RawCalls, call: RawCall, parse: (text: string) => unknown): Promise<unknown> {
  const text = await raw.send(call);
  try {
    const { result } = parse(text) as { readonly result?: unknown };
    if (result !== undefined && result !== null) return result;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw notQdrant(raw.purpose(call), 200);
}
