import type { Json } from '../model/json.ts';
import type { RunReport } from '../report/report.ts';

/**
 * Settings as a report shows them to others: of files that are named by their whole path only the name stays. Hooks and
 * probes have no more of their address than in messages: the server, and the address without its query.
 */
export function shareableSettings(settings: NonNullable<RunReport['settings']>): NonNullable<RunReport['settings']> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, shown(name, value)]));
}

function shown(name: string, value: Json): Json {
  if (Array.isArray(value)) return value.map((item) => (typeof item === 'string' ? itemOf(name, item) : item));
  const isPath = typeof value === 'string' && /^([A-Za-z]:)?[/\\]/.test(value) && !value.includes('{tenant}');
  return isPath ? `…/${value.split(/[/\\]/).at(-1)}` : value;
}

function itemOf(name: string, item: string): string {
  if (name === 'hook') {
    return item
      .replace(/^([\w-]+=https?:\/\/[^/?#]+)[/?#].+$/is, '$1/…')
      .replace(/^([\w-]+=\[)"[^"]*\/([^"/]+)"/s, '$1"…/$2"');
  }
  return name === 'probe' ? item.replace(/^((?:http:)?https?:\/\/[^?#]+)[?#].+$/is, '$1?…') : item;
}
