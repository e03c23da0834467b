import { describe, expect, it } from 'vitest';
import { repeatCommand, shellWord, withoutFlags } from '../../../src/cli/repeat-command.ts';

describe('the command to type again', () => {
  it('is the command as it was typed, quoted where a shell needs it', () => {
    expect(repeatCommand(['a', "b'c", '--key-template', 'cache:{tenant}:*', '--dry-run'])).toBe(
      `tenant-migrate a 'b'\\''c' --key-template 'cache:{tenant}:*' --dry-run`,
    );
    expect(shellWord('')).toBe("''");
  });

  it('leaves out the flags that are named, with their values, however they were written', () => {
    const cases: readonly (readonly [string[], string[]])[] = [
      [
        ['plan', 'a', 'b', '--dry-run'],
        ['plan', 'a', 'b'],
      ],
      [
        ['--dry-run=true', 'a', 'b'],
        ['a', 'b'],
      ],
      [['--dry-run', 'true', 'a'], ['a']],
      [
        ['--dry-run', 'a', 'b'],
        ['a', 'b'],
      ],
      [
        ['a', '--out', 'x y', 'b', '--out=z'],
        ['a', 'b'],
      ],
      [
        ['a', '--out', '--json'],
        ['a', '--json'],
      ],
      [['a', '--out'], ['a']],
      [
        ['a', '--output', '--dry-runs'],
        ['a', '--output', '--dry-runs'],
      ],
      [
        ['a', '--', '--dry-run'],
        ['a', '--', '--dry-run'],
      ],
    ];
    for (const [typed, left] of cases) expect(withoutFlags(typed, ['dry-run', 'out'])).toEqual(left);
    expect(repeatCommand(['plan', 'a', '--out=p.json', '--detailed-exitcode'], ['out', 'detailed-exitcode'])).toBe(
      'tenant-migrate plan a',
    );
  });
});
