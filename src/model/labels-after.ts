import type { Move } from './move.ts';

/** A node's labels as they are when its move is done, in code-unit order. */
export function labelsAfter(labels: readonly string[], { source, target }: Move): readonly string[] {
  return [...new Set(labels.map((label) => (label === source ? target : label)))].sort();
}
