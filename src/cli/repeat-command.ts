/** The command as it was typed, each word quoted where a shell would need it. */
export function repeatCommand(argv: readonly string[]): string {
  const words = argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`));
  return ['tenant-migrate', ...words].join(' ');
}
