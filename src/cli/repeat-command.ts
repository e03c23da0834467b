import { FLAGS } from './flags.ts';

/** The command as it was typed, without the flags of `leaveOut`, each word quoted where a shell would need it. */
export function repeatCommand(argv: readonly string[], leaveOut: readonly string[] = []): string {
  return ['tenant-migrate', ...withoutFlags(argv, leaveOut).map(shellWord)].join(' ');
}

/** The words without these flags (named without their dashes) and their values: `--out x`, `--out=x`, `--dry-run true`. */
export function withoutFlags(argv: readonly string[], flags: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    // What follows is no flag, whatever it looks like.
    if (word === '--') return [...kept, ...argv.slice(index)];
    const name = flags.find((flag) => word === `--${flag}` || word.startsWith(`--${flag}=`));
    if (name === undefined) kept.push(word);
    else if (word === `--${name}` && takesNext(name, argv[index + 1])) index += 1;
  }
  return kept;
}

/** One word as a shell takes it: quoted only where it must be. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Whether the parser takes the next word as this flag's value: a switch takes only true and false. */
function takesNext(name: string, next: string | undefined): boolean {
  if (next === undefined) return false;
  const isSwitch = FLAGS.find((flag) => flag.name === name)?.kind === 'switch';
  return isSwitch ? next === 'true' || next === 'false' : !next.startsWith('-');
}
