/** One flag of the command line, also an environment variable: `--redis-host` is `TENANT_MIGRATE_REDIS_HOST`. */
export interface Flag {
  readonly name: string;
  readonly kind: 'text' | 'switch' | 'list';
  readonly help: string;
  readonly group: 'Stores' | 'What moves' | 'Safety' | 'Limits' | 'Output' | 'Plan';
  readonly fallback?: string;
  readonly choices?: readonly string[];
  /** Only these commands take it; all where absent. */
  readonly commands?: readonly string[];
  readonly hidden?: boolean;
}

const MOVES = ['move', 'plan'] as const;
const READS_TOO = ['move', 'plan', 'verify'] as const;
/** Everything that connects to a store. */
const CONNECTS = ['move', 'plan', 'apply', 'resume', 'verify', 'rollback', 'backup create', 'backup restore'] as const;
/** Everything that asks the profile what belongs to a tenant. */
const CLAIMS = ['move', 'plan', 'verify', 'backup create'] as const;
/** Everything that moves. */
const WRITES = ['move', 'apply', 'resume'] as const;
/** Everything that works on a run between its start and its end. */
const RUNS = ['move', 'apply', 'resume', 'rollback'] as const;

export const FLAGS: readonly Flag[] = [
  {
    name: 'redis-host',
    kind: 'text',
    group: 'Stores',
    help: 'Redis or Dragonfly host',
    fallback: '127.0.0.1',
    commands: CONNECTS,
  },
  { name: 'redis-port', kind: 'text', group: 'Stores', help: 'its port', fallback: '6379', commands: CONNECTS },
  {
    name: 'redis-url',
    kind: 'text',
    group: 'Stores',
    help: 'redis://host:port/db in place of host and port (rediss:// with TLS)',
    commands: CONNECTS,
  },
  {
    name: 'redis-db',
    kind: 'text',
    group: 'Stores',
    help: 'its database number, or several: 0,1',
    fallback: '0',
    commands: CONNECTS,
  },
  { name: 'redis-tls', kind: 'switch', group: 'Stores', help: 'speak TLS with Redis', commands: CONNECTS },
  {
    name: 'redis-ca',
    kind: 'text',
    group: 'Stores',
    help: 'PEM file of the authority that signed its certificate',
    commands: CONNECTS,
  },
  {
    name: 'redis-cert',
    kind: 'text',
    group: 'Stores',
    help: 'PEM file of the client certificate that it asks for',
    commands: CONNECTS,
  },
  { name: 'redis-key', kind: 'text', group: 'Stores', help: 'PEM file of that certificate’s key', commands: CONNECTS },
  {
    name: 'redis-tls-servername',
    kind: 'text',
    group: 'Stores',
    help: 'name in its certificate, where not the host’s',
    commands: CONNECTS,
  },
  {
    name: 'redis-sentinel',
    kind: 'text',
    group: 'Stores',
    help: 'host:port[,host:port…] of sentinels, in place of host and port',
    commands: CONNECTS,
  },
  {
    name: 'redis-sentinel-name',
    kind: 'text',
    group: 'Stores',
    help: 'the master’s name there',
    fallback: 'mymaster',
    commands: CONNECTS,
  },
  {
    name: 'redis-node-map',
    kind: 'list',
    group: 'Stores',
    help: 'announced=reachable address of a server (may be given again)',
    commands: CONNECTS,
  },
  {
    name: 'qdrant-url',
    kind: 'text',
    group: 'Stores',
    help: 'Qdrant address',
    fallback: 'http://127.0.0.1:6333',
    commands: CONNECTS,
  },
  {
    name: 'memgraph-host',
    kind: 'text',
    group: 'Stores',
    help: 'Memgraph or Neo4j host',
    fallback: '127.0.0.1',
    commands: CONNECTS,
  },
  { name: 'memgraph-port', kind: 'text', group: 'Stores', help: 'its Bolt port', fallback: '7687', commands: CONNECTS },
  {
    name: 'graph-url',
    kind: 'text',
    group: 'Stores',
    help: 'bolt://host:port in place of host and port (also bolt+s, neo4j)',
    commands: CONNECTS,
  },
  {
    name: 'graph-database',
    kind: 'text',
    group: 'Stores',
    help: 'name of the graph database, where not the default',
    commands: CONNECTS,
  },
  {
    name: 'api-url',
    kind: 'text',
    group: 'Stores',
    help: 'config API address',
    fallback: 'http://127.0.0.1:8000',
    commands: CONNECTS,
  },
  {
    name: 'api-path',
    kind: 'text',
    group: 'Stores',
    help: 'path of a tenant’s config',
    fallback: '/tenants/{tenant}/config',
    commands: CLAIMS,
  },
  {
    name: 'api-method',
    kind: 'text',
    group: 'Stores',
    help: 'how a config is written',
    choices: ['PUT', 'POST', 'PATCH'],
    fallback: 'PUT',
    commands: CONNECTS,
  },
  {
    name: 'connect-timeout',
    kind: 'text',
    group: 'Stores',
    help: 'longest wait for a connection, seconds',
    fallback: '5',
    commands: CONNECTS,
  },
  {
    name: 'request-timeout',
    kind: 'text',
    group: 'Stores',
    help: 'longest wait for one reply, seconds',
    fallback: '300',
    commands: CONNECTS,
  },

  { name: 'skip-config', kind: 'switch', group: 'What moves', help: 'leave the config API out', commands: CONNECTS },
  {
    name: 'skip-redis',
    kind: 'switch',
    group: 'What moves',
    help: 'leave Redis out: no connection at all',
    commands: CONNECTS,
  },
  { name: 'skip-qdrant', kind: 'switch', group: 'What moves', help: 'leave Qdrant out', commands: CONNECTS },
  {
    name: 'skip-memgraph',
    kind: 'switch',
    group: 'What moves',
    help: 'leave the graph out (also --skip-graph)',
    commands: CONNECTS,
  },
  {
    name: 'skip-graph',
    kind: 'switch',
    group: 'What moves',
    help: 'leave the graph out',
    hidden: true,
    commands: CONNECTS,
  },
  {
    name: 'only',
    kind: 'list',
    group: 'What moves',
    help: 'only these stages: config,redis,qdrant,graph',
    commands: CONNECTS,
  },
  {
    name: 'profile',
    kind: 'text',
    group: 'What moves',
    help: 'which application wrote the data',
    choices: ['rag-api', 'generic'],
    fallback: 'rag-api',
    commands: CLAIMS,
  },
  {
    name: 'key-template',
    kind: 'list',
    group: 'What moves',
    help: "further keys of a tenant, such as 'cache:{tenant}:*' (may be given again)",
    commands: CLAIMS,
  },
  {
    name: 'value-field',
    kind: 'list',
    group: 'What moves',
    help: "where JSON values name their tenant, such as 'task:{tenant}:*=tenant_id' (may be given again)",
    commands: CLAIMS,
  },
  {
    name: 'keep-values',
    kind: 'switch',
    group: 'What moves',
    help: 'rename keys only: leave the tenant’s id inside values as it is',
    commands: CLAIMS,
  },
  {
    name: 'qdrant-field',
    kind: 'text',
    group: 'What moves',
    help: 'payload field that holds the tenant, where not the profile’s',
    commands: CLAIMS,
  },
  {
    name: 'graph-label',
    kind: 'text',
    group: 'What moves',
    help: "label and relationship type of a tenant, such as 'Tenant_{tenant}'; its id where absent",
    commands: CLAIMS,
  },
  {
    name: 'graph-property',
    kind: 'list',
    group: 'What moves',
    help: 'node property that holds the tenant’s id (may be given again)',
    commands: CLAIMS,
  },
  {
    name: 'collection-template',
    kind: 'list',
    group: 'What moves',
    help: "Qdrant collections and aliases named after a tenant, such as '{tenant}_docs' (may be given again)",
    commands: CLAIMS,
  },
  {
    name: 'collection-mode',
    kind: 'text',
    group: 'What moves',
    help: 'whether such a collection is copied to its new name or gets it as an alias',
    choices: ['copy', 'alias'],
    fallback: 'copy',
    commands: CLAIMS,
  },
  {
    name: 'qdrant-mode',
    kind: 'text',
    group: 'What moves',
    help: 'whether points get new ids: where theirs are made from the tenant, never, or only such points',
    choices: ['auto', 'payload', 're-id'],
    fallback: 'auto',
    commands: READS_TOO,
  },
  {
    name: 'point-id',
    kind: 'text',
    group: 'What moves',
    help: "how point ids are made, such as 'uuid5(<namespace>, {tenant}:{payload.id})', beside the profile’s ways",
    commands: CLAIMS,
  },
  {
    name: 'config-secrets',
    kind: 'text',
    group: 'What moves',
    help: 'JSON file with the real values that the config API masks',
    commands: CONNECTS,
  },
  {
    name: 'map',
    kind: 'text',
    group: 'What moves',
    help: 'CSV file with many moves (header source,target) in place of source and target',
    commands: READS_TOO,
  },
  {
    name: 'skip-missing',
    kind: 'switch',
    group: 'What moves',
    help: 'leave moves of the list out of which no store knows either end',
    commands: READS_TOO,
  },
  {
    name: 'delete-source-config',
    kind: 'switch',
    group: 'What moves',
    help: 'delete the source’s config at the end',
    commands: MOVES,
  },

  {
    name: 'dry-run',
    kind: 'switch',
    group: 'Safety',
    help: 'show what would be done; writes nothing',
    commands: ['move', 'rollback', 'runs cleanup', 'backup restore', 'backup cleanup'],
  },
  {
    name: 'yes',
    kind: 'switch',
    group: 'Safety',
    help: 'do not ask before writing',
    commands: ['move', 'resume', 'rollback', 'backup restore'],
  },
  {
    name: 'merge',
    kind: 'switch',
    group: 'Safety',
    help: 'move into a target that has data of its own',
    commands: MOVES,
  },
  {
    name: 'redis-mode',
    kind: 'text',
    group: 'What moves',
    help: 'rename keys, or copy, compare and remove them; auto copies where a rename is impossible or could lose data',
    choices: ['auto', 'rename', 'copy'],
    fallback: 'auto',
    commands: [...MOVES, 'resume'],
  },
  {
    name: 'on-conflict',
    kind: 'text',
    group: 'Safety',
    help: 'a record that exists at both ends and differs',
    choices: ['fail', 'skip', 'overwrite'],
    fallback: 'fail',
    commands: [...READS_TOO, 'resume'],
  },
  {
    name: 'settle',
    kind: 'text',
    group: 'Safety',
    help: 'longest wait for what a broken process has sent, where it cannot be ended, seconds',
    fallback: '5',
    commands: RUNS,
  },
  {
    name: 'accept-differences',
    kind: 'switch',
    group: 'Safety',
    help: 'close the run though verify found differences, once you have looked at them',
    commands: WRITES,
  },
  {
    name: 'fail-on-unclaimed',
    kind: 'switch',
    group: 'Safety',
    help: 'refuse where keys hold the id but belong to nobody',
    commands: MOVES,
  },
  {
    name: 'ambiguous-keys',
    kind: 'text',
    group: 'Safety',
    help: 'keys that another known tenant could have as well',
    choices: ['refuse', 'claim', 'leave'],
    fallback: 'refuse',
    commands: [...READS_TOO, 'resume'],
  },
  {
    name: 'verify',
    kind: 'text',
    group: 'Safety',
    help: 'how deep to compare afterwards',
    choices: ['counts', 'sample', 'full'],
    fallback: 'sample',
    commands: [...READS_TOO, 'resume'],
  },
  {
    name: 'sample-seed',
    kind: 'text',
    group: 'Safety',
    help: 'seed of the samples',
    fallback: '1',
    commands: READS_TOO,
  },
  {
    name: 'batch-size',
    kind: 'text',
    group: 'Safety',
    help: 'records in one request (each stage has its own default)',
    commands: [...MOVES, 'resume'],
  },
  {
    name: 'auto-rollback',
    kind: 'switch',
    group: 'Safety',
    help: 'take everything back when the run fails (exit 3)',
    commands: WRITES,
  },
  {
    name: 'max-errors',
    kind: 'text',
    group: 'Limits',
    help: 'stop early when more records than this have failed',
    commands: WRITES,
  },
  {
    name: 'max-error-rate',
    kind: 'text',
    group: 'Limits',
    help: 'stop early when more percent of the records have failed',
    fallback: '5',
    commands: WRITES,
  },
  {
    name: 'max-slowdown',
    kind: 'text',
    group: 'Limits',
    help: 'stop early when a store answers by more percent slower than at first',
    commands: WRITES,
  },
  {
    name: 'timeout',
    kind: 'text',
    group: 'Limits',
    help: 'stop when the run takes longer, seconds',
    commands: WRITES,
  },
  {
    name: 'pause-file',
    kind: 'text',
    group: 'Limits',
    help: 'wait between batches while this file exists',
    commands: RUNS,
  },
  {
    name: 'force-unlock',
    kind: 'switch',
    group: 'Safety',
    help: 'take the tenants’ locks from a run that is surely gone',
    commands: [...RUNS, 'backup create', 'backup restore'],
  },
  {
    name: 'same-servers',
    kind: 'switch',
    group: 'Safety',
    help: 'the servers are those of the run, now at other addresses',
    commands: ['resume', 'rollback'],
  },
  {
    name: 'days',
    kind: 'text',
    group: 'Safety',
    help: 'age of what is removed; for a backup how long from now it is kept',
    fallback: '14',
    commands: ['runs cleanup', 'backup extend'],
  },
  {
    name: 'keep-days',
    kind: 'text',
    group: 'Safety',
    help: 'how long the backup is kept from cleanup, days',
    fallback: '7',
    commands: ['backup create', 'move', 'apply'],
  },
  {
    name: 'backup',
    kind: 'switch',
    group: 'Safety',
    help: 'back the tenant up before the first write',
    commands: ['move', 'apply'],
  },
  {
    name: 'from-backup',
    kind: 'text',
    group: 'Safety',
    help: 'take back what this backup names, where the undo log is lost',
    commands: ['rollback'],
  },
  { name: 'state-dir', kind: 'text', group: 'Safety', help: 'where runs are recorded', fallback: '.tenant-migrate' },

  { name: 'out', kind: 'text', group: 'Plan', help: 'write the plan to this file', commands: ['plan'] },
  {
    name: 'show-statements',
    kind: 'switch',
    group: 'Plan',
    help: 'list the graph statements that the run would send',
    commands: ['plan'],
  },
  {
    name: 'detailed-exitcode',
    kind: 'switch',
    group: 'Plan',
    help: 'end with 2 where there is work',
    commands: ['plan'],
  },
  {
    name: 'exact-plan',
    kind: 'switch',
    group: 'Plan',
    help: 'refuse when any count differs from the plan’s',
    commands: ['apply'],
  },

  { name: 'json', kind: 'switch', group: 'Output', help: 'print one JSON document on stdout' },
  { name: 'quiet', kind: 'switch', group: 'Output', help: 'no progress, only the result' },
  { name: 'verbose', kind: 'switch', group: 'Output', help: 'more lines, and stacks of errors' },
  {
    name: 'color',
    kind: 'text',
    group: 'Output',
    help: 'colours',
    choices: ['auto', 'always', 'never'],
    fallback: 'auto',
  },
];

/** Secrets come from the environment or from a file that `…_FILE` names, never from the command line. */
export const SECRETS = [
  'REDIS_USERNAME',
  'REDIS_PASSWORD',
  'REDIS_KEY_PASSPHRASE',
  'REDIS_SENTINEL_USERNAME',
  'REDIS_SENTINEL_PASSWORD',
  'QDRANT_API_KEY',
  'GRAPH_USERNAME',
  'GRAPH_PASSWORD',
  'API_TOKEN',
  'ENCRYPTION_KEY',
] as const;

/** Flags that say how one command is run, not what its run does: a run's record leaves them out. */
const OF_ONE_COMMAND: ReadonlySet<string> = new Set([
  'map',
  'dry-run',
  'yes',
  'accept-differences',
  'force-unlock',
  'same-servers',
  'days',
  'keep-days',
  'backup',
  'from-backup',
  'state-dir',
  'out',
  'detailed-exitcode',
  'exact-plan',
]);

/** Whether a run's record keeps the setting, so that `resume` and `rollback` need not be given it again. */
export function isRecorded({ name, group }: Flag): boolean {
  return group !== 'Output' && !OF_ONE_COMMAND.has(name);
}

export type SecretName = (typeof SECRETS)[number];

export const ENV_PREFIX = 'TENANT_MIGRATE_';

/** `--redis-host` → `TENANT_MIGRATE_REDIS_HOST`. */
export function envName(flag: string): string {
  return ENV_PREFIX + flag.toUpperCase().replaceAll('-', '_');
}

export function flagsOf(command: string): readonly Flag[] {
  return FLAGS.filter(({ commands }) => commands === undefined || commands.includes(command));
}
