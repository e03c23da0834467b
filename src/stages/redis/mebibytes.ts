/** For people. */
export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / (1 << 20)).toLocaleString('en')} MiB`;
}
