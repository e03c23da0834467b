import type { Point } from './point.ts';
import { compareIds, type PointId } from './point-id.ts';

/** A set of points that can be walked by ascending id. The order is made when it is first asked for, then kept up. */
export class OrderedPoints {
  private readonly members = new Set<Point>();
  /** Ascending; may still hold points that left the set. */
  private sorted: Point[] = [];
  private added: Point[] = [];

  get size(): number {
    return this.members.size;
  }

  has(point: Point): boolean {
    return this.members.has(point);
  }

  add(point: Point): void {
    if (this.members.has(point)) return;
    this.members.add(point);
    this.added.push(point);
  }

  delete(point: Point): void {
    this.members.delete(point);
  }

  /** In no particular order; no point may enter or leave meanwhile. */
  [Symbol.iterator](): IterableIterator<Point> {
    return this.members.values();
  }

  /** The points whose id is `start` or greater, or all. */
  *from(start?: PointId): Generator<Point> {
    this.settle();
    const { sorted, members } = this;
    for (let at = start === undefined ? 0 : firstAtLeast(sorted, start); at < sorted.length; at += 1) {
      const point = sorted[at] as Point;
      if (members.has(point)) yield point;
    }
  }

  private settle(): void {
    if (this.added.length === 0 && this.sorted.length <= 2 * this.members.size + 16) return;
    const added = this.added.filter((point) => this.members.has(point)).sort((a, b) => compareIds(a.id, b.id));
    this.sorted = merge(
      this.sorted.filter((point) => this.members.has(point)),
      added,
    );
    this.added = [];
  }
}

function firstAtLeast(sorted: readonly Point[], id: PointId): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareIds((sorted[middle] as Point).id, id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A point that left the set and came back stands in both lists: it is taken once. */
function merge(left: readonly Point[], right: readonly Point[]): Point[] {
  const merged: Point[] = [];
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    const a = left[l];
    const b = right[r];
    const next = a === undefined || (b !== undefined && compareIds(b.id, a.id) < 0) ? b : a;
    if (next === b) r += 1;
    else l += 1;
    if (next !== undefined && merged.at(-1) !== next) merged.push(next);
  }
  return merged;
}
