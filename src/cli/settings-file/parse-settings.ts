import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument, YAMLMap } from 'yaml';
import type { Fault } from './fault.ts';
import { KEYS, type Key, secretKey, TOP_ONLY, unknownKey } from './keys.ts';
import { badReferences } from './variables.ts';

/** One text of the file and where it stands; numbers and booleans as they were written. */
export interface Written {
  readonly text: string;
  readonly line: number;
  readonly column: number;
  /** The column where `text` itself begins, in quotes one later; undefined where it does not stand so in one line. */
  readonly textFrom: number | undefined;
}

/** One setting of the file. */
export interface Entry extends Written {
  readonly name: string;
  readonly key: Key;
  /** Its way from the top. */
  readonly path: string;
  /** The items where it is written as a list. */
  readonly items: readonly Written[] | undefined;
}

export type Section = ReadonlyMap<string, Entry>;

/** A settings file as it is written: nothing is filled in yet. */
export interface ParsedSettings {
  readonly top: Section;
  readonly environments: ReadonlyMap<string, Section>;
  /** Where `environments` stands, or the file's begin. */
  readonly environmentsAt: { readonly line: number; readonly column: number };
  readonly faults: readonly Fault[];
}

/** Reads YAML 1.2 into settings, with every fault. Never throws. */
export function parseSettings(source: string): ParsedSettings {
  return new Reader(source).read();
}

const NAME = /^[A-Za-z0-9][\w.-]*$/;

class Reader {
  readonly #source: string;
  readonly #lines = new LineCounter();
  readonly #faults: Fault[] = [];
  readonly #environments = new Map<string, Section>();
  #environmentsAt = { line: 1, column: 1 };

  constructor(source: string) {
    this.#source = source;
  }

  read(): ParsedSettings {
    const root = this.#root();
    const top = root === undefined ? new Map<string, Entry>() : this.#section(root, []);
    return {
      top,
      environments: this.#environments,
      environmentsAt: this.#environmentsAt,
      faults: this.#faults,
    };
  }

  /** The mapping at the top; undefined where the file is no YAML or something else, which is told. */
  #root(): YAMLMap | undefined {
    try {
      const document = parseDocument(this.#source, {
        schema: 'core',
        uniqueKeys: false,
        prettyErrors: false,
        lineCounter: this.#lines,
      });
      for (const { pos, message } of document.errors) this.#fault(pos[0], [], `is not YAML: ${withoutSource(message)}`);
      if (document.errors.length > 0) return undefined;
      const root = document.contents;
      // As `init` writes it where no store answers: comments alone.
      if (root === null || (isScalar(root) && root.value === null)) return new YAMLMap();
      if (!isMap(root)) this.#fault(root.range?.[0] ?? 0, [], 'is not a list of settings, each as name: value');
      else return root;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#fault(0, [], 'is nested too deeply');
    }
    return undefined;
  }

  #section(map: YAMLMap, way: readonly string[]): Section {
    const section = new Map<string, Entry>();
    const seen = new Map<string, number>();
    for (const pair of map.items) {
      if (!isPair(pair)) continue;
      const key = pair.key as Node | null;
      const offset = key?.range?.[0] ?? map.range?.[0] ?? 0;
      if (!isScalar(key) || this.#isMarked(key, offset, way)) {
        if (!isScalar(key)) this.#fault(offset, way, 'a setting’s name must be plain text');
        continue;
      }
      const name = key.source ?? String(key.value);
      const path = [...way, name];
      const before = seen.get(name);
      if (before !== undefined) {
        this.#fault(offset, path, `stands here twice (first in line ${before})`);
        continue;
      }
      seen.set(name, this.#lines.linePos(offset).line);
      const value = pair.value as Node | null;
      if (name === 'environments' && way.length === 0) this.#takeEnvironments(value, offset);
      else this.#take(section, { name, path, offset, value });
    }
    this.#refuseBoth(section);
    return section;
  }

  #takeEnvironments(value: Node | null, offset: number): void {
    const { line, col } = this.#lines.linePos(offset);
    this.#environmentsAt = { line, column: col };
    if (!isMap(value)) {
      this.#fault(value?.range?.[0] ?? offset, ['environments'], 'must hold names, and below each its settings');
      return;
    }
    for (const pair of value.items) {
      const key = pair.key as Node | null;
      const at = key?.range?.[0] ?? offset;
      const name = isScalar(key) ? (key.source ?? String(key.value)) : '';
      const way = ['environments', name];
      const below = pair.value as Node | null;
      if (!NAME.test(name)) this.#fault(at, ['environments'], 'holds a name that is not of letters, digits, - _ and .');
      else if (this.#environments.has(name)) this.#fault(at, way, 'stands here twice');
      else if (isMap(below) && !this.#isMarked(below, at, way)) this.#environments.set(name, this.#section(below, way));
      else if (below === null || (isScalar(below) && below.value === null)) this.#environments.set(name, new Map());
      else if (!isMap(below)) this.#fault(below.range?.[0] ?? at, way, 'must hold settings, each as name: value');
    }
  }

  #take(section: Map<string, Entry>, found: Found): void {
    const { name, path, offset, value } = found;
    const key = KEYS.get(name);
    if (key === undefined || (TOP_ONLY.has(name) && path.length > 1)) {
      this.#fault(offset, path, key === undefined ? unknownKey(name, isMap(value)) : 'stands at the top only');
      return;
    }
    const at = value?.range?.[0] ?? offset;
    if (value === null || (isScalar(value) && value.value === null)) {
      this.#fault(offset, path, 'has no value: give one, or take the line out');
    } else if (this.#isMarked(value, at, path)) {
      return;
    } else if (isScalar(value)) {
      const entry = { name, key, path: path.join('.'), ...this.#written(value, at, path), items: undefined };
      if (entry.text === '') this.#fault(at, path, 'is empty: give a value, or take the line out');
      else section.set(name, entry);
    } else if (isSeq(value)) this.#takeList(section, found, key);
    else this.#fault(at, path, 'is a mapping: text that begins with { is written in quotes');
  }

  #takeList(section: Map<string, Entry>, { name, path, offset, value }: Found, key: Key): void {
    const at = value?.range?.[0] ?? offset;
    if (key.kind !== 'flag' || key.flag.kind !== 'list') {
      this.#fault(at, path, 'takes one value, and this is a list');
      return;
    }
    const items: Written[] = [];
    for (const item of isSeq(value) ? value.items : []) {
      const node = item as Node;
      const here = node?.range?.[0] ?? at;
      if (!isScalar(node) || node.value === null || node.value === '') {
        const what = isMap(node) ? 'a mapping: text that begins with { is written in quotes' : 'no plain text';
        this.#fault(here, path, `holds ${what}`);
      } else if (!this.#isMarked(node, here, path)) items.push(this.#written(node, here, path));
    }
    if (isSeq(value) && value.items.length === 0) this.#fault(at, path, 'names nothing: take the line out');
    const { line, col } = this.#lines.linePos(at);
    section.set(name, { name, key, path: path.join('.'), text: '', line, column: col, textFrom: undefined, items });
  }

  #written(node: { readonly source?: string; readonly value: unknown }, offset: number, path: readonly string[]) {
    const text = node.source ?? String(node.value);
    const { line, col } = this.#lines.linePos(offset);
    const quote = this.#source[offset] === '"' || this.#source[offset] === "'" ? 1 : 0;
    const textFrom = this.#source.startsWith(text, offset + quote) ? col + quote : undefined;
    const written = { text, line, column: col, textFrom };
    for (const { index, problem } of badReferences(text)) {
      this.#faults.push({ ...placeIn(written, index), path: path.join('.'), message: problem });
    }
    return written;
  }

  /** Anchors, aliases and tags are refused: a page of them can stand for gigabytes, and settings need none. */
  #isMarked(node: Node, offset: number, path: readonly string[]): boolean {
    const marked = isAlias(node)
      ? 'is an alias'
      : 'anchor' in node && node.anchor !== undefined
        ? 'has an anchor'
        : node.tag !== undefined
          ? 'has a tag'
          : undefined;
    if (marked === undefined) return false;
    this.#fault(offset, path, `${marked}, which is not taken here: what stands at the top holds for all environments`);
    return true;
  }

  #refuseBoth(section: Section): void {
    for (const { key, line, column, path } of section.values()) {
      if (key.kind !== 'secret-file' || !section.has(secretKey(key.secret))) continue;
      this.#faults.push({
        line,
        column,
        path,
        message: `and ${secretKey(key.secret)} are the same secret: leave one out`,
      });
    }
  }

  #fault(offset: number, path: readonly string[], message: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.#faults.push({ line: Math.max(1, line), column: Math.max(1, col), path: path.join('.'), message });
  }
}

interface Found {
  readonly name: string;
  readonly path: readonly string[];
  readonly offset: number;
  readonly value: Node | null;
}

/** The place of a character within what is written. */
export function placeIn({ line, column, textFrom }: Written, index: number): { line: number; column: number } {
  return { line, column: textFrom === undefined ? column : textFrom + index };
}

/** The parser quotes what it stumbled over, which may be a secret. */
function withoutSource(message: string): string {
  return message.replace(/(\S): .*$/s, '$1').replace(/(escape sequence) .*$/s, '$1');
}
