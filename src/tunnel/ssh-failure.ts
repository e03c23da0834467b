import { MigrateError } from '../model/errors.ts';
import type { SshSettings } from './ssh-arguments.ts';

interface Known {
  readonly says: RegExp;
  readonly code: MigrateError['code'];
  readonly what: string;
  /** May use `{ssh}`: the command line by which the same is tried by hand. */
  readonly next: string;
  /** Whether the same may succeed in a moment. */
  readonly passing?: true;
}

/** In this order: what comes first is the cause of what comes later. */
const KNOWN: readonly Known[] = [
  {
    says: /REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed/i,
    code: 'refused',
    what: 'the host key is not the one that known_hosts holds: another machine may stand in between',
    next: 'find out why; only where the server’s key was changed on purpose: ssh-keygen -R <host>, then connect once by hand: {ssh}',
  },
  {
    says: /Host key verification failed|No \S+ host key is known for/,
    code: 'refused',
    what: 'the host key is not known',
    next: 'connect once by hand and compare the fingerprint with the server’s own: {ssh}',
  },
  {
    says: /UNPROTECTED PRIVATE KEY FILE|bad permissions/,
    code: 'unauthorised',
    what: 'the key file can be read by others, so ssh does not use it',
    next: 'chmod 600 the key file, then type the same command again',
  },
  {
    says: /Permission denied|Too many authentication failures|No more authentication methods|no mutual signature/i,
    code: 'unauthorised',
    what: 'the server refused the login',
    next: 'give the key with --ssh-identity, or load it with ssh-add (a key with a passphrase must be in the agent, and so must that of a jump host, or in ssh’s config); by hand: {ssh}',
  },
  {
    says: /Bad configuration option|terminating, \d+ bad configuration|Can't open user config file/i,
    code: 'settings',
    what: 'ssh cannot use its config',
    next: 'correct --ssh-config, or the ssh config of this user',
  },
  {
    says: /Could not resolve hostname/,
    code: 'unreachable',
    what: 'the host has no address',
    next: 'correct --ssh (or --ssh-jump)',
    passing: true,
  },
  {
    says: /too long for Unix domain socket|ControlPath too long|path .* too long/i,
    code: 'unreachable',
    what: 'the folder for temporary files has too long a name for the tunnel’s socket files',
    next: 'set TMPDIR to a folder with a short name, such as /tmp',
  },
  {
    says: /refused|timed out|unreachable|No route|reset by|closed by|kex_exchange|Broken pipe|not responding|disconnect/i,
    code: 'unreachable',
    what: 'the host cannot be reached',
    next: 'see that --ssh names the host and its ssh port, and that it is up; by hand: {ssh}',
    passing: true,
  },
];

/** The `what` of an ssh that is not installed. */
export const NO_SSH = 'spawn ssh ENOENT';

/** What ssh's last words mean, and what to do. They are the words of another machine: control characters are shown. */
export function sshFailure(settings: SshSettings, lines: readonly string[]): MigrateError {
  if (lines.some((line) => line.includes(NO_SSH))) {
    return new MigrateError('unreachable', 'there is no ssh on this machine (or not in its PATH)', {
      next: 'install the OpenSSH client, or leave out --ssh and open the forwards by other means',
    });
  }
  const text = lines.join('\n');
  const known = KNOWN.find(({ says }) => says.test(text));
  const told = quoted(
    known === undefined ? lines : lines.filter((line) => known.says.test(line) || TELLING.test(line)),
  );
  const what = known?.what ?? 'ssh ended';
  return new MigrateError(known?.code ?? 'unreachable', `no tunnel through ${settings.target}: ${what}${told}`, {
    retryable: known === undefined || known.passing === true,
    next: (known?.next ?? 'try it by hand: {ssh}').replace('{ssh}', byHand(settings)),
  });
}

/** Lines that help with whatever else went wrong. */
const TELLING = /^(SHA256:|Load key )/;
const MOST_TOLD = 3;

function quoted(lines: readonly string[]): string {
  const told = [...new Set(lines.map((line) => line.replace(/^@+|@+$/g, '').trim()))].filter((line) => line !== '');
  return told.length === 0 ? '' : ` (ssh: ${told.slice(-MOST_TOLD).join('; ')})`;
}

function byHand({ target, identity, config, jump }: SshSettings): string {
  const port = /:(\d+)$/.exec(target)?.[1];
  return [
    'ssh',
    ...(config === undefined ? [] : ['-F', word(config)]),
    ...(identity === undefined ? [] : ['-i', word(identity)]),
    ...(jump === undefined ? [] : ['-J', jump]),
    ...(port === undefined ? [] : ['-p', port]),
    (port === undefined ? target : target.slice(0, -port.length - 1)).replace(/[[\]]/g, ''),
  ].join(' ');
}

function word(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
