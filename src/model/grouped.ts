/** 38491 → `38,491`: how counts stand in messages. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en');
}
