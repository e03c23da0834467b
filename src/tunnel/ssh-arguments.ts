import { parseSshTarget } from './ssh-target.ts';

/** How ssh is asked to connect. */
export interface SshSettings {
  /** `[user@]host[:port]`, checked. */
  readonly target: string;
  /** Absolute path of the private key. */
  readonly identity: string | undefined;
  /** Absolute path of a config in place of the user's. */
  readonly config: string | undefined;
  /** `[user@]host[:port][,…]`, checked. */
  readonly jump: string | undefined;
  /** Longest wait until the tunnel stands, at first and after each drop, ms. */
  readonly timeoutMs: number;
}

/** A link without any sign of life for three times this counts as dead: well before the lease in Redis runs out. */
const ALIVE_SECONDS = 4;

/**
 * The arguments of the connection that carries all forwards. Keys, agent, known hosts and jump hosts are what ssh's own
 * config makes of them; nothing of it is made weaker. What the config says beyond the connection is switched off: other
 * forwards, commands, shared connections. `isOld`: an ssh that does not know all of these options.
 */
export function masterArguments(
  settings: SshSettings,
  controlPath: string,
  { isOld }: { readonly isOld: boolean },
): readonly string[] {
  const { target, identity, config, jump, timeoutMs } = settings;
  const { user, host, port } = parseSshTarget(target) ?? { user: undefined, host: target, port: undefined };
  const options = [
    // Nobody is there to be asked, neither for a password nor whether a host key is the right one.
    'BatchMode=yes',
    'ExitOnForwardFailure=yes',
    `ServerAliveInterval=${ALIVE_SECONDS}`,
    'ServerAliveCountMax=3',
    `ConnectTimeout=${Math.max(1, Math.ceil(timeoutMs / 1_000))}`,
    // Those of the config: a port that is taken there is no reason to fail here. Ours are added afterwards.
    'ClearAllForwardings=yes',
    'ControlPersist=no',
    'StreamLocalBindUnlink=yes',
    'ForwardAgent=no',
    'ForwardX11=no',
    'PermitLocalCommand=no',
    'RemoteCommand=none',
    'Tunnel=no',
    // In the background it would be nobody's, and stay for ever. Before 8.7 neither option nor danger exists.
    ...(isOld ? [] : ['ForkAfterAuthentication=no']),
    // The reasons of failures are told at this level.
    'LogLevel=INFO',
    ...(identity === undefined ? [] : ['IdentitiesOnly=yes']),
  ];
  return [
    ...['-N', '-T', '-M', '-S', controlPath],
    ...options.flatMap((option) => ['-o', option]),
    ...(config === undefined ? [] : ['-F', config]),
    ...(identity === undefined ? [] : ['-i', identity]),
    ...(jump === undefined ? [] : ['-J', jump]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    ...['--', host],
  ];
}

/** The arguments that add one forward to the connection that stands: from a socket file to an address seen from there. */
export function forwardArguments(controlPath: string, path: string, far: { host: string; port: number }) {
  const host = far.host.includes(':') ? `[${far.host}]` : far.host;
  // The user's config would add its own forwards; the host is not looked at.
  return ['-F', 'none', '-S', controlPath, '-O', 'forward', '-L', `${path}:${host}:${far.port}`, '--', 'tunnel'];
}
