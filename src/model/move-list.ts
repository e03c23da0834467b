import { errorText, MigrateError } from './errors.ts';
import { type Move, tenantIdProblem } from './move.ts';

/** How a list is read. */
export interface MoveListRules {
  /** The list's name in messages: its path. */
  readonly name: string;
  /** What an application's key layout forbids in ids, beside what no id may hold. */
  readonly idProblem?: ((id: string) => string | undefined) | undefined;
  /** Several sources may have one target. */
  readonly merge: boolean;
}

/** One field of a record, and where it begins, both counted from 1. */
interface Field {
  readonly text: string;
  readonly quoted: boolean;
  readonly line: number;
  readonly column: number;
}

const HEADER = ['source', 'target'] as const;

/**
 * Reads a list of moves: CSV as RFC 4180 has it (quotes, CRLF or LF), with the header `source,target`; a byte order mark
 * and blank lines are skipped. Throws MigrateError `usage` with `name:line:column` on the first fault.
 */
export function parseMoveList(bytes: Uint8Array, rules: MoveListRules): readonly Move[] {
  const fail = (at: { line: number; column: number }, text: string, next: string): never => {
    throw new MigrateError('usage', `${rules.name}:${at.line}:${at.column}: ${text}`, { next });
  };
  const records = recordsOf(decoded(bytes, rules.name), fail);
  const { value: header } = records.next();
  if (header?.length !== 2 || !HEADER.every((name, index) => header[index]?.text === name)) {
    const hint = header?.[0]?.text.includes(';') ? ' (separated by commas)' : '';
    return fail(header?.[0] ?? { line: 1, column: 1 }, 'the header is missing', `begin with: source,target${hint}`);
  }
  const moves: Move[] = [];
  const seen = { source: new Map<string, number>(), target: new Map<string, number>() };
  for (const record of records) {
    const [source, target] = record;
    if (source === undefined || target === undefined || record.length !== 2) {
      const at = record[2] ?? source ?? { line: 1, column: 1 };
      return fail(at, `${record.length} where two fields belong`, 'write source,target; an id with a comma in quotes');
    }
    for (const [index, field] of [source, target].entries()) {
      const end = HEADER[index] ?? 'source';
      const problem = fieldProblem(field) ?? tenantIdProblem(field.text) ?? rules.idProblem?.(field.text);
      if (problem !== undefined) fail(field, `the ${end} tenant id '${field.text}' ${problem}`, 'correct the id');
      const before = seen[end].get(field.text);
      if (before !== undefined && end === 'source')
        fail(field, `${field.text} is the source of line ${before} too`, 'leave one of the lines out');
      if (before !== undefined && !rules.merge)
        fail(field, `${field.text} is the target of line ${before} too`, 'correct it, or join both with --merge');
      seen[end].set(field.text, field.line);
    }
    if (source.text === target.text) fail(target, `source and target are the same: '${source.text}'`, 'correct one');
    moves.push({ source: source.text, target: target.text });
  }
  if (moves.length === 0)
    fail({ line: 2, column: 1 }, 'the list holds no move', 'write source,target, one move a line');
  return moves;
}

/** Blanks around an unquoted id are rather a slip than a part of it. */
function fieldProblem({ text, quoted }: Field): string | undefined {
  return !quoted && text !== text.trim()
    ? 'has a blank at its start or end (put it in quotes if it is meant)'
    : undefined;
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    // A byte order mark is dropped by the decoder.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new MigrateError('usage', `${name} is not UTF-8 text (${errorText(error)})`, {
      next: 'save the list as UTF-8',
      cause: error,
    });
  }
}

type Fail = (at: { line: number; column: number }, text: string, next: string) => never;

/** The records that are not blank lines. */
function* recordsOf(text: string, fail: Fail): Generator<readonly Field[], undefined> {
  let [at, line, lineStart] = [0, 1, 0];
  let record: Field[] = [];
  while (at < text.length || record.length > 0) {
    const start = { line, column: at - lineStart + 1 };
    const quoted = text[at] === '"';
    let value = '';
    if (quoted) {
      const end = closingQuote(text, at + 1);
      if (end < 0) return fail(start, 'a quote is not closed', 'close it; a quote inside is written twice');
      const inside = text.slice(at + 1, end);
      value = inside.replaceAll('""', '"');
      const breaks = inside.split('\n').length - 1;
      if (breaks > 0) [line, lineStart] = [line + breaks, at + 1 + inside.lastIndexOf('\n') + 1];
      at = end + 1;
    } else {
      const ends = new RegExp(/,|\r?\n|$/g);
      ends.lastIndex = at;
      const end = ends.exec(text)?.index ?? text.length;
      value = text.slice(at, end);
      if (value.includes('"')) fail({ line, column: start.column + value.indexOf('"') }, STRAY, QUOTING);
      at = end;
    }
    record.push({ text: value, quoted, ...start });
    if (text[at] === ',') {
      at += 1;
      continue;
    }
    const lineBreak = /^(\r?\n|$)/.exec(text.slice(at, at + 2));
    if (lineBreak === null) fail({ line, column: at - lineStart + 1 }, STRAY, QUOTING);
    at += lineBreak?.[0].length ?? 0;
    [line, lineStart] = [line + 1, at];
    if (record.length > 1 || record[0]?.quoted || record[0]?.text !== '') yield record;
    record = [];
  }
}

const STRAY = 'a quote stands where none may';
const QUOTING = 'put the whole field in quotes; a quote inside is written twice';

function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}
