import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { MigrateError } from '../../model/errors.ts';
import type { SecretName } from '../flags.ts';
import { type Fault, faultsError } from './fault.ts';
import type { FoundFile } from './find-settings-file.ts';
import { secretKey } from './keys.ts';
import {
  type Entry,
  type ParsedSettings,
  parseSettings,
  placeIn,
  type Section,
  type Written,
} from './parse-settings.ts';
import { filledIn, hasReference } from './variables.ts';

/** What of a file holds for one command. */
export interface SettingsFile {
  /** As it was named. */
  readonly name: string;
  readonly environment: string | undefined;
  /** How many layers there are: the environment's settings, if one is named, stand above those at the top. */
  readonly layers: number;
  /** A setting of one layer with its variables filled in; undefined where it is not set there, or is told as a fault. */
  value(layer: number, flag: string): string | readonly string[] | undefined;
  /** The same for a secret, or for the file that holds it. */
  secret(layer: number, name: SecretName): GivenSecret | undefined;
  /** Notes that the setting is wrong, at its place. */
  blame(layer: number, key: string, message: string): void;
  /** Throws MigrateError `settings` that tells of all that was found to be wrong so far. */
  check(): void;
}

/** `key` is the setting that names the file. */
export type GivenSecret = { readonly value: string } | { readonly path: string; readonly key: string };

interface Opening {
  /** `--env`, or its variable. */
  readonly environment: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** Nothing else says which servers are meant: a file with environments must be told which. */
  readonly mustChoose: boolean;
  /** What is wrong with a value, as it is written. */
  readonly problem: (flag: string, value: string | readonly string[]) => string | undefined;
}

/** A settings file for one command. Throws MigrateError `settings` with all that is wrong in it. */
export function openSettingsFile(found: FoundFile, opening: Opening): SettingsFile {
  return new OpenedFile(found, parseSettings(found.text), opening).checked(opening);
}

class OpenedFile implements SettingsFile {
  readonly name: string;
  environment: string | undefined;
  readonly #found: FoundFile;
  readonly #parsed: ParsedSettings;
  readonly #env: NodeJS.ProcessEnv;
  readonly #faults: Fault[];
  #sections: readonly Section[];

  constructor(found: FoundFile, parsed: ParsedSettings, { env }: Opening) {
    this.name = found.name;
    this.#found = found;
    this.#parsed = parsed;
    this.#env = env;
    this.#faults = [...parsed.faults];
    this.#sections = [parsed.top];
  }

  get layers(): number {
    return this.#sections.length;
  }

  /** With all of its own mistakes told, and the environment chosen. */
  checked(opening: Opening): this {
    const { top, environments } = this.#parsed;
    for (const section of [top, ...environments.values()]) {
      for (const entry of section.values()) this.#checkEntry(entry, opening);
    }
    this.#choose(opening);
    this.check();
    return this;
  }

  value(layer: number, flag: string): string | readonly string[] | undefined {
    const entry = this.#sections[layer]?.get(flag);
    if (entry === undefined || entry.key.kind !== 'flag') return undefined;
    if (entry.items !== undefined) {
      const items = entry.items.flatMap((item) => this.#filled(entry, item) ?? []);
      return items.length === 0 ? undefined : items;
    }
    const text = this.#filled(entry, entry);
    if (text === undefined || entry.key.flag.path === undefined) return text;
    return this.#beside(text);
  }

  secret(layer: number, name: SecretName): GivenSecret | undefined {
    const section = this.#sections[layer];
    const entry = section?.get(secretKey(name));
    const value = entry === undefined ? undefined : this.#filled(entry, entry);
    if (value !== undefined) return { value };
    const key = `${secretKey(name)}-file`;
    const file = section?.get(key);
    const path = file === undefined ? undefined : this.#filled(file, file);
    return path === undefined ? undefined : { path: this.#beside(path), key };
  }

  blame(layer: number, key: string, message: string): void {
    const { line, column, path } = this.#sections[layer]?.get(key) ?? { line: 1, column: 1, path: key };
    this.#faults.push({ line, column, path, message });
  }

  check(): void {
    if (this.#faults.length > 0) throw faultsError(this.name, this.#faults);
  }

  /** Empty is unset, as in the environment: a variable cannot always be left out. */
  #filled(entry: Entry, written: Written): string | undefined {
    const { text, unset } = filledIn(written.text, this.#env);
    for (const { index, problem } of unset) {
      this.#faults.push({ ...placeIn(written, index), path: entry.path, message: problem });
    }
    return unset.length > 0 || text === '' ? undefined : text;
  }

  /** A path as the file means it; JSON that stands in a path's place stays as it is. */
  #beside(path: string): string {
    if (path.trimStart().startsWith('{') || path === 'none') return path;
    const whole = path === '~' || path.startsWith('~/') ? join(this.#env.HOME ?? homedir(), path.slice(1)) : path;
    return resolve(dirname(this.#found.path), whole);
  }

  #checkEntry(entry: Entry, { problem }: Opening): void {
    const { line, column, path, key, items, text } = entry;
    const fault = (message: string) => this.#faults.push({ line, column, path, message });
    if (holdsSecret(entry) && this.#found.isShared) {
      fault(`is a secret, and others may read this file: chmod 600 ${this.name}, or write \${…} or ${entry.name}-file`);
    }
    if (key.kind !== 'flag' || [text, ...(items ?? []).map((item) => item.text)].some(hasReference)) return;
    const unescaped = (written: Written) => filledIn(written.text, {}).text;
    const wrong = problem(key.flag.name, items?.map(unescaped) ?? unescaped(entry));
    if (wrong !== undefined) fault(wrong);
  }

  #choose({ environment, mustChoose }: Opening): void {
    const { top, environments, environmentsAt } = this.#parsed;
    const names = [...environments.keys()];
    const standard = top.get('env');
    const chosen = environment ?? (standard === undefined ? undefined : this.#filled(standard, standard));
    this.environment = chosen;
    const section = chosen === undefined ? undefined : environments.get(chosen);
    if (section !== undefined) this.#sections = [section, top];
    else if (chosen !== undefined) {
      const place = environment === undefined && standard !== undefined ? standard : environmentsAt;
      const { line, column } = place;
      const message = `there is no environment ${chosen}${names.length === 0 ? '' : ` (did you mean ${closest(chosen, names)}?)`}`;
      this.#faults.push({ line, column, path: 'environments', message });
    } else if (mustChoose && names.length > 0 && this.#faults.length === 0) {
      throw new MigrateError('usage', `${this.name} has several environments, and none is named`, {
        next: `name one: --env ${names.join(' or --env ')} (env: … at the top of the file names the usual one)`,
      });
    }
  }
}

/** A secret that stands there itself: the value of a secret's key, a login in an address, a config's secrets as JSON. */
function holdsSecret({ key, text, items }: Entry): boolean {
  // A user's name is none.
  if (key.kind === 'secret') return !key.secret.endsWith('_USERNAME') && !hasReference(text);
  if (key.kind !== 'flag') return false;
  return [text, ...(items ?? []).map((item) => item.text)].some(
    (one) => (key.flag.name === 'config-secrets' && one.trimStart().startsWith('{')) || hasPassword(one),
  );
}

function hasPassword(text: string): boolean {
  if (hasReference(text) || !URL.canParse(text)) return false;
  return new URL(text).password !== '';
}
