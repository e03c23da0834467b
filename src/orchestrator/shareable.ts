import type { Json } from '../model/json.ts';

type Settings = Readonly<Record<string, Json>>;

/**
 * A run's settings as its report shows them, which goes to others: of files that are named by their whole path only the
 * name stays, of a hook what messages call it, and of a probe's address what stands before its query.
 */
export function shareable(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, shown(name, value)]));
}

function shown(name: string, value: Json): Json {
  if (typeof value === 'string') return withoutFolder(value);
  if (!Array.isArray(value)) return value;
  const items: readonly Json[] = value;
  if (name === 'hook') return items.map((item) => hookName(String(item)));
  if (name === 'probe') return items.map((item) => probeName(String(item)));
  return items;
}

function withoutFolder(text: string): string {
  return /^([A-Za-z]:)?[/\\]/.test(text) && !text.includes('{tenant}') ? `…/${lastOf(text)}` : text;
}

/** Its address, and the words behind its program, may hold more than they should. */
function hookName(text: string): string {
  const [, event = '', what = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (URL.canParse(what)) return `${event}=${new URL(what).host}`;
  const [program = '', ...more] = wordsOf(what);
  return `${event}=${lastOf(program)}${more.length > 0 ? ' …' : ''}`;
}

/** The record keeps a program as a JSON array of its words. */
function wordsOf(what: string): readonly string[] {
  try {
    const words: unknown = JSON.parse(what);
    return Array.isArray(words) ? words.map(String) : [];
  } catch (error) {
    if (error instanceof SyntaxError) return what.split(/\s+/);
    throw error;
  }
}

function probeName(text: string): string {
  return text.replace(/(https?:[^?#]*)[?#].*$/s, '$1?…').replace(/^((?:panic-)?file:)(.*)$/s, (_, kind, path) => {
    return `${kind}${withoutFolder(path)}`;
  });
}

function lastOf(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}
