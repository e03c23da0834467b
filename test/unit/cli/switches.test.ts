import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { envName, FLAGS, flagsOf } from '../../../src/cli/flags.ts';
import { parseCommandLine } from '../../../src/cli/parse-command-line.ts';
import { readSettings } from '../../../src/cli/settings.ts';
import { runCliHere } from '../../support/cli-in-process.ts';

/** The parser learns all flags of all commands anew for each line. */
const RUNS = 20;
const YES = ['true', 'yes', '1', 'on'];
const NO = ['false', 'no', '0', 'off'];
const SWITCHES = FLAGS.filter(({ kind }) => kind === 'switch');

/** Any way to write a word in large and small letters. */
const cased = (words: readonly string[]) =>
  fc
    .tuple(fc.constantFrom(...words), fc.infiniteStream(fc.boolean()))
    .map(([word, large]) =>
      [...word].map((letter) => (large.next().value === true ? letter.toUpperCase() : letter)).join(''),
    );
const flag = fc.constantFrom(...SWITCHES);

/** The value that a switch has in a command that takes it, whatever else it checks. */
async function settingOf(name: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const command = COMMANDS.find((one) => flagsOf(one.name).some((each) => each.name === name))?.name ?? 'move';
  const { flags } = await parse([...command.split(' '), ...argv]);
  const settings = await readSettings({ command, flags, env });
  return (settings as unknown as Record<string, unknown>)[name];
}

function parse(argv: readonly string[]) {
  const positionals = COMMANDS.find(({ name }) => name === argv.slice(0, 2).join(' ') || name === argv[0])?.positionals;
  const words = (positionals ?? []).map((_, index) => `word-${index}`);
  const terminal = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: {} };
  const ctx = { terminal, signal: new AbortController().signal, interrupt: () => undefined };
  return parseCommandLine({ ...ctx, argv: [...argv, ...words] });
}

describe('a switch', () => {
  it('that is not set is off, and alone it is on: all of them', async () => {
    expect(SWITCHES.length).toBeGreaterThan(20);
    for (const { name } of SWITCHES) {
      expect(`${name} ${await settingOf(name, [])}`).toBe(`${name} false`);
      expect(`${name} ${await settingOf(name, [`--${name}`])}`).toBe(`${name} true`);
      expect(`${name} ${await settingOf(name, [`--no-${name}`])}`).toBe(`${name} false`);
    }
  });

  it('is on by every spelling of yes and off by every spelling of no, typed or in the environment', async () => {
    await fc.assert(
      fc.asyncProperty(flag, cased(YES), cased(NO), async ({ name }, yes, no) => {
        expect(await settingOf(name, [`--${name}=${yes}`])).toBe(true);
        expect(await settingOf(name, [`--${name}=${no}`])).toBe(false);
        expect(await settingOf(name, [], { [envName(name)]: yes })).toBe(true);
        expect(await settingOf(name, [], { [envName(name)]: no })).toBe(false);
        expect(await settingOf(name, [`--${name}=${no}`, `--${name}`])).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });

  it('is refused with any other word, typed or in the environment', async () => {
    const other = fc.string().filter((text) => ![...YES, ...NO].includes(text.toLowerCase()));
    await fc.assert(
      fc.asyncProperty(flag, other, async ({ name }, text) => {
        await expect(settingOf(name, [`--${name}=${text}`])).rejects.toMatchObject({ code: 'usage' });
        await expect(settingOf(name, [`--no-${name}=${text}`])).rejects.toMatchObject({ code: 'usage' });
        if (text !== '' && !text.includes('\0'))
          await expect(settingOf(name, [], { [envName(name)]: text })).rejects.toMatchObject({ code: 'usage' });
      }),
      { numRuns: RUNS },
    );
  });

  it('takes no word behind it: one that reads like a value is refused, any other is a word of its own', async () => {
    await fc.assert(
      fc.asyncProperty(flag, cased([...YES, ...NO]), async ({ name }, text) => {
        await expect(parse(['move', `--${name}`, text])).rejects.toMatchObject({ code: 'usage' });
      }),
      { numRuns: RUNS },
    );
    const { positionals, flags } = await parse(['move', '--dry-run']);
    expect([positionals, flags['dry-run']]).toEqual([{ source: 'word-0', target: 'word-1' }, true]);
  });
});

describe('the whole command', () => {
  // Where nothing answers: a line that is taken for a move must not find stores.
  const nowhere = { TENANT_MIGRATE_API_URL: 'http://127.0.0.1:1', TENANT_MIGRATE_REDIS_PORT: '1' };
  const said = async (...argv: string[]) => {
    const { code, stderr } = await runCliHere(argv, nowhere);
    return `${code} ${stderr}`;
  };

  it.each([
    ['acme', 'beta', '--dry-run=maybe'],
    ['acme', 'beta', '--skip-redis='],
    ['acme', 'beta', '--dry-run', 'false'],
    ['acme', 'beta', '--', '--dry-run'],
    ['acme', 'beta', '--', '--dry-run=yes'],
  ])('%s %s %s … ends with 64 before anything is read', async (...argv) => {
    expect(await said(...argv)).toMatch(/^64 .*--/s);
  });

  it.each([
    [['verfy', 'siraya'], 'verify', /move verfy siraya/],
    [['resme'], 'resume', /move resme <target>/],
    [['Plan', 'acme', 'beta'], 'plan', /move Plan acme/],
    [['backup', 'restor', 'x'], 'backup restore', /restore/],
    [['runs', 'clenup'], 'runs cleanup', /cleanup/],
    [['VERIFY', 'siraya'], 'verify', /move VERIFY siraya/],
    [['ROLLBACK', 'x'], 'rollback', /move ROLLBACK x/],
    [['BACKUP', 'create'], 'backup', /move BACKUP create/],
  ])('%j is no move: %s is offered', async (argv, meant, more) => {
    const text = await said(...argv);
    expect(text).toMatch(new RegExp(`^64 [^]*did you mean tenant-migrate ${meant}\\?`));
    expect(text).toMatch(more);
  });

  it('offers what is near, and nothing that is not', async () => {
    expect(await said('acme', 'beta', '--versoin')).toContain('did you mean --version?');
    expect(await said('acme', 'beta', '--dry-rum')).toContain('did you mean --dry-run?');
    expect(await said('-x', 'acme', 'beta')).not.toContain('did you mean');
    expect(await said('acme', 'beta', '--something-else')).not.toContain('did you mean');
    expect(await said('acme', 'beta', '--DRY-RUN')).toContain('did you mean --dry-run?');
  });

  it('offers near variables only', async () => {
    const saidWith = async (name: string) => (await runCliHere(['acme', 'beta'], { ...nowhere, [name]: 'yes' })).stderr;
    expect(await saidWith('TENANT_MIGRATE_DRYRUN')).toContain('did you mean TENANT_MIGRATE_DRY_RUN?');
    expect(await saidWith('TENANT_MIGRATE_X')).toMatch(/is not known(?!.*did you mean)/s);
  });
});
