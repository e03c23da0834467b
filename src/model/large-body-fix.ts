/** What to do about a Qdrant that takes no request of so many megabytes. */
export function largeBodyFix(megabytes: number): string {
  return `raise max_request_size_mb of the server to ${megabytes + 1}, and the limit of a proxy before it`;
}
