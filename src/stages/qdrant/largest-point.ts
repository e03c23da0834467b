import { largeBodyFix } from '../../model/large-body-fix.ts';
import type { PointContent, QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext, Problem } from '../stage.ts';

/** Moves that copy no point. */
export const KEEP_IDS = 'move points with the ids that they have: --qdrant-mode payload';
export const KEEP_NAME = 'give the collection the new name as an alias: --collection-mode alias';

/** The largest of the points that were read, by the text that was read of it. */
export class LargestPoint {
  #id = '';
  #bytes = 0;

  see({ id, payload, vectors }: PointContent): void {
    let bytes = Buffer.byteLength(vectors ?? '');
    for (const [name, text] of payload) bytes += Buffer.byteLength(name) + Buffer.byteLength(text);
    if (bytes <= this.#bytes) return;
    this.#id = id;
    this.#bytes = bytes;
  }

  /** That it cannot be inserted as a copy, where that is so. */
  async problem(
    collection: string,
    otherwise: string,
    { store }: PlanContext<QdrantReader>,
  ): Promise<readonly Problem[]> {
    if (await store.takesBody(collection, this.#bytes)) return [];
    const megabytes = Math.ceil(this.#bytes / (1 << 20));
    const message = `${collection}: point ${this.#id} would be copied, and the server takes no request of its ${megabytes} MB`;
    return [{ stage: 'qdrant', code: 'point-too-large', message, fix: `${largeBodyFix(megabytes)}, or ${otherwise}` }];
  }
}
