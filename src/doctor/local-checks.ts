import { byteSize } from '../model/byte-size.ts';
import type { Check } from '../report/doctor-report.ts';
import { check, majorMinor } from './common-checks.ts';
import type { LocalFacts } from './local-facts.ts';

const OLDEST_NODE = [20, 19] as const;
const TESTED_NODES: readonly number[] = [20, 22, 24];
/** An undo log of a million keys has about this size. */
const LITTLE_BYTES = 1 << 30;
const TOO_LITTLE_BYTES = 64 << 20;

export interface Surroundings {
  readonly stateDir: string;
  readonly interactive: boolean;
  readonly hasEncryptionKey: boolean;
}

/** Node, terminal and settings of this process. */
export function localChecks({ node }: LocalFacts, { interactive, hasEncryptionKey }: Surroundings): readonly Check[] {
  return [
    nodeCheck(node),
    check(
      'local',
      'terminal',
      'ok',
      interactive ? 'a terminal: a move asks before it writes' : 'none: a move does not ask, and prints plain lines',
    ),
    hasEncryptionKey
      ? check('local', 'ENCRYPTION_KEY', 'ok', 'set: secrets of a config can be kept in undo log and backup, sealed')
      : check(
          'local',
          'ENCRYPTION_KEY',
          'warning',
          'not set: undo logs and backups keep no secrets of a config',
          'set it to a long random word before the move, or keep a file for --config-secrets: a rollback may need one',
        ),
  ];
}

function nodeCheck(node: string): Check {
  const [major, minor] = majorMinor(node);
  const old = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
  if (old) return check('local', 'node', 'error', `Node ${node}`, `install Node ${OLDEST_NODE.join('.')} or later`);
  if (TESTED_NODES.includes(major)) return check('local', 'node', 'ok', `Node ${node}`);
  return check(
    'local',
    'node',
    'warning',
    `Node ${node}: not a version with long-term support`,
    `use Node ${TESTED_NODES.join(', ')}`,
  );
}

/** Where runs are recorded. */
export function stateChecks(facts: LocalFacts, { stateDir }: Surroundings): readonly Check[] {
  return [folderCheck(facts, stateDir), diskCheck(facts), ...fileSystemChecks(facts)];
}

function folderCheck({ stateFolder, writable }: LocalFacts, stateDir: string): Check {
  const say = (level: 'ok' | 'warning' | 'error', text: string, fix?: string) =>
    check('state', 'folder', level, `${stateDir} ${text}`, fix);
  if (stateFolder === undefined) {
    if (writable) return say('ok', 'is not there yet: the first run makes it');
    return say('error', 'is not there, and may not be made', 'set --state-dir to a folder that you may write');
  }
  const { kind, mode, owner } = stateFolder;
  if (kind === 'other') return say('error', 'is no folder', 'set --state-dir to a folder');
  if (kind === 'link')
    return say(
      'warning',
      'is a symbolic link: whoever can change it decides where undo logs are',
      'set --state-dir to the folder itself',
    );
  if (owner === 'other')
    return say('error', 'belongs to another user', 'run as that user, or set --state-dir to a folder of your own');
  if (!writable) {
    const fix =
      owner === 'own' ? `chmod u+rwx ${stateDir}` : 'let its group write (fsGroup), or set another --state-dir';
    return say('error', 'may not be written', fix);
  }
  if (owner === 'root') {
    const fix = 'right for a Kubernetes volume (fsGroup); else set --state-dir to a folder of your own';
    return say('warning', 'belongs to root and is open to its group: undo logs hold a tenant’s data', fix);
  }
  if ((mode & 0o077) !== 0)
    return say(
      'warning',
      `is open to others (mode 0${mode.toString(8)}): undo logs hold a tenant’s data`,
      `chmod 700 ${stateDir}`,
    );
  return say('ok', 'is yours alone');
}

function diskCheck({ freeBytes }: LocalFacts): Check {
  const text = `${byteSize(freeBytes)} free`;
  const fix = 'free some, or set --state-dir to a larger disk: each plan tells how much its record takes';
  if (freeBytes < TOO_LITTLE_BYTES) return check('state', 'disk', 'error', text, fix);
  if (freeBytes < LITTLE_BYTES) return check('state', 'disk', 'warning', text, fix);
  return check('state', 'disk', 'ok', text);
}

function fileSystemChecks({ fileSystem }: LocalFacts): readonly Check[] {
  if (fileSystem === 'network') {
    const fix =
      'set --state-dir to a local disk: locks and syncs of a network file system are slower, and not always kept';
    return [check('state', 'file system', 'warning', 'a network file system', fix)];
  }
  if (fileSystem === 'memory') {
    const fix =
      'set --state-dir to a disk: after a restart of this machine a run could neither be resumed nor rolled back';
    return [check('state', 'file system', 'warning', 'in memory only', fix)];
  }
  return [];
}
