/** One hook as it was given: `before-plan=./fence.sh --all`, `after-run=["./a b", "c"]`, `on-failure=https://…`. */
export type HookSpec = {
  readonly event: string;
  /** What messages call it: never the whole address, which may hold more than it should. */
  readonly name: string;
} & ({ readonly kind: 'command'; readonly words: readonly string[] } | { readonly kind: 'url'; readonly url: URL });

/** What a shell would make something of. No shell is used, so such a command would not do what it looks like. */
const SHELL = /["'`$\\|&;<>(){}*?~]/;

/** Reads one hook; text that says what is wrong where it cannot be read. */
export function parseHook(text: string, events: readonly string[]): HookSpec | string {
  const [, event = '', what = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (!events.includes(event)) return `must begin with one of ${events.map((name) => `${name}=`).join(', ')}`;
  if (/^https?:\/\//i.test(what)) return urlHook(event, what);
  const words = what.startsWith('[') ? jsonWords(what) : what.split(/\s+/).filter((word) => word !== '');
  if (words === undefined) return 'is not a JSON array of texts';
  if (!what.startsWith('[') && SHELL.test(what)) {
    return `no shell reads '${event}=…': write the words as a JSON array, or name a script`;
  }
  const [program = ''] = words;
  if (program === '') return 'names no program';
  return { event, name: program.split('/').at(-1) ?? program, kind: 'command', words };
}

function urlHook(event: string, text: string): HookSpec | string {
  if (!URL.canParse(text)) return 'is not an address';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    return 'holds a user name or password, which others can read: set HOOK_TOKEN, which is sent as a bearer token';
  }
  return { event, name: url.host, kind: 'url', url };
}

function jsonWords(text: string): readonly string[] | undefined {
  try {
    const words: unknown = JSON.parse(text);
    return Array.isArray(words) && words.every((word) => typeof word === 'string') ? words : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
