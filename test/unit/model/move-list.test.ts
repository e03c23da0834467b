import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MigrateError } from '../../../src/model/errors.ts';
import { type MoveListRules, parseMoveList } from '../../../src/model/move-list.ts';

const read = (text: string | Uint8Array, rules: Partial<MoveListRules> = {}) =>
  parseMoveList(typeof text === 'string' ? Buffer.from(text) : text, { name: 't.csv', merge: false, ...rules });
const fault = (text: string | Uint8Array, rules?: Partial<MoveListRules>): string => {
  try {
    return JSON.stringify(read(text, rules));
  } catch (error) {
    if (!(error instanceof MigrateError)) throw error;
    expect(error.code).toBe('usage');
    expect(error.next).toBeTruthy();
    return error.message;
  }
};

describe('a list of moves', () => {
  it('is read with quotes, a byte order mark, CRLF, blank lines, with and without a last line break', () => {
    const moves = [
      { source: 'a', target: 'b' },
      { source: 'c, "d"', target: ' e ' },
      { source: '007', target: 'ß\u0065\u0301' },
    ];
    const lines = ['source,target', '', 'a,b', '"c, ""d"""," e "', '', '007,"ß\u0065\u0301"'];
    for (const end of ['\n', '\r\n']) {
      for (const tail of ['', end, end + end]) expect(read(`\ufeff${lines.join(end)}${tail}`)).toEqual(moves);
    }
    expect(read(lines.join('\n'))).toEqual(moves);
  });

  it('any ids that a tenant may have come back as they were written', () => {
    const id = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      // biome-ignore lint/suspicious/noControlCharactersInRegex: ids without them
      .filter((text) => !/[\0-\x1f\x7f-\x9f\\]/.test(text) && Buffer.byteLength(text) < 256);
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 20 }), fc.constantFrom('\n', '\r\n'), (ids, end) => {
        const half = Math.floor(ids.length / 2);
        const moves = ids.slice(0, half).map((source, at) => ({ source, target: ids[half + at] as string }));
        const field = (text: string) => (/[",]/.test(text) || text !== text.trim() ? quoted(text) : text);
        const rows = moves.map(({ source, target }) => `${field(source)},${quoted(target)}`);
        expect(read(['source,target', ...rows, ''].join(end))).toEqual(moves);
      }),
    );
  });

  for (const [what, text, message] of [
    ['no header', 'a,b\n', 't.csv:1:1: the header is missing'],
    ['a header of other names', 'from,to\na,b', 't.csv:1:1: the header is missing'],
    ['an empty file', '', 't.csv:1:1: the header is missing'],
    ['no move', 'source,target\n\n', 't.csv:2:1: the list holds no move'],
    ['one field', 'source,target\na\n', 't.csv:2:1: 1 where two fields belong'],
    ['three fields', 'source,target\na,b\nc,d,e\n', 't.csv:3:5: 3 where two fields belong'],
    ['an empty id', 'source,target\na,\n', "t.csv:2:3: the target tenant id '' is empty"],
    ['a quoted empty id', 'source,target\n"",b\n', "t.csv:2:1: the source tenant id '' is empty"],
    ['a control character', 'source,target\n"a\nb",c\nd\n', 'holds a control character'],
    ['a blank around an id', 'source,target\na, b\n', "t.csv:2:3: the target tenant id ' b' has a blank"],
    ['the same at both ends', 'source,target\n\na,a\n', "t.csv:3:3: source and target are the same: 'a'"],
    ['a source twice', 'source,target\na,b\na,c\n', 't.csv:3:1: a is the source of line 2 too'],
    ['a target twice', 'source,target\na,c\nb,c\n', 't.csv:3:3: c is the target of line 2 too'],
    ['a quote that is not closed', 'source,target\na,"b\n', 't.csv:2:3: a quote is not closed'],
    ['a quote inside', 'source,target\nab"c,d\n', 't.csv:2:3: a quote stands where none may'],
    ['text behind a quote', 'source,target\n"a"b,c\n', 't.csv:2:4: a quote stands where none may'],
    ['an id that the application cannot have', 'source,target\nx:y,b\n', "t.csv:2:1: the source tenant id 'x:y' no"],
  ] as const) {
    it(`${what} is refused with its place`, () => {
      const idProblem = (id: string) => (id.includes(':') ? 'no' : undefined);
      expect(fault(text, { idProblem })).toContain(message);
    });
  }

  it('a target may stand twice with --merge, a source never', () => {
    expect(read('source,target\na,c\nb,c\n', { merge: true })).toHaveLength(2);
    expect(fault('source,target\na,c\na,d\n', { merge: true })).toContain('is the source of line 2 too');
  });

  it('bytes that are no UTF-8 are refused, and semicolons are told', () => {
    expect(fault(Buffer.from([0xff, 0xfe, 0x61]))).toContain('not UTF-8');
    try {
      read('source;target\na;b');
    } catch (error) {
      expect((error as MigrateError).next).toContain('separated by commas');
    }
  });

  it('reads a hundred thousand lines in a moment', () => {
    const rows = Array.from({ length: 100_000 }, (_, n) => `a${n},b${n}`);
    const start = performance.now();
    expect(read(['source,target', ...rows].join('\n'))).toHaveLength(100_000);
    expect(performance.now() - start).toBeLessThan(3_000);
  });
});
