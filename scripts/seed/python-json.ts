/** JSON as Python's `json.dumps` writes it by default, with a blank after each comma and colon. */
export function pythonJson(value: unknown): string {
  return JSON.stringify(value, undefined, 1).replace(/,\n */g, ', ').replace(/\n */g, '');
}
