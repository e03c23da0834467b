/** One flag of the command line, also an environment variable: `--redis-host` is `TENANT_MIGRATE_REDIS_HOST`. */
export interface Flag {
  readonly name: string;
  readonly kind: 'text' | 'switch' | 'list';
  readonly help: string;
  readonly group:
    | 'Stores'
    | 'Tunnel'
    | 'What moves'
    | 'Safety'
    | 'Limits'
    | 'Load'
    | 'Hooks'
    | 'Plan'
    | 'Output'
    | 'Metrics'
    | 'Notifications'
    | 'Settings';
  readonly fallback?: string;
  readonly choices?: readonly string[];
  /** Only these commands take it; all where absent. */
  readonly commands?: readonly string[];
  readonly hidden?: boolean;
  /**
   * The value names a file or a folder: shells complete it, a settings file means one beside itself, and a run's record
   * keeps it whole.
   */
  readonly path?: 'file' | 'folder';
}

export const MOVES = ['move', 'plan'] as const;
export const READS_TOO = ['move', 'plan', 'verify'] as const;
/** Everything that connects to a store. */
export const CONNECTS = [
  'move',
  'plan',
  'apply',
  'resume',
  'verify',
  'rollback',
  'backup create',
  'backup restore',
  'doctor',
  'init',
] as const;
/** Everything that asks the profile what belongs to a tenant. */
export const CLAIMS = ['move', 'plan', 'verify', 'backup create', 'doctor'] as const;
/** Everything that moves. */
export const WRITES = ['move', 'apply', 'resume'] as const;
/** Everything that works on a run between its start and its end. */
export const RUNS = ['move', 'apply', 'resume', 'rollback'] as const;
