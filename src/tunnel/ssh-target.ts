/** Where ssh connects to, as `--ssh` names it. */
export interface SshTarget {
  /** ssh's own choice where absent: its config's, or the local user's. */
  readonly user: string | undefined;
  /** A name, an address without brackets, or an alias of ssh's config. */
  readonly host: string;
  readonly port: number | undefined;
}

/** Neither part can begin with a `-`, which ssh would take for an option, nor hold what a shell would read. */
const TARGET = /^(?:(\w[\w.+-]*)@)?(?:\[([\da-f:.]+)\]|(\w(?:[\w.-]*\w)?))(?::(\d{1,5}))?$/i;

/** Reads `[user@]host[:port]`, an IPv6 address in brackets. Undefined where it is something else. */
export function parseSshTarget(text: string): SshTarget | undefined {
  const parts = TARGET.exec(text);
  const host = parts?.[2] ?? parts?.[3];
  const port = parts?.[4] === undefined ? undefined : Number(parts[4]);
  if (host === undefined || (port !== undefined && (port < 1 || port > 65_535))) return undefined;
  return { user: parts?.[1], host, port };
}

/** Whether all of them, with commas between, are targets. */
export function areSshTargets(text: string): boolean {
  return text.split(',').every((one) => parseSshTarget(one) !== undefined);
}
