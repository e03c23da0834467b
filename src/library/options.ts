import type { Move } from '../model/move.ts';
import type { RunPlan } from '../report/report.ts';
import type { StageName } from '../stages/stage.ts';

/**
 * Where the stores are. Each option is the flag of the same name (`redisUrl` is `--redis-url`), with the same default and
 * the same checks; messages about it name the flag. MIGRATION.md tells of each in full.
 */
export interface StoreOptions {
  /** Default `127.0.0.1`. */
  readonly redisHost?: string;
  /** Default 6379. */
  readonly redisPort?: number;
  /** `redis://host:port/db`, or `rediss://` for TLS, in place of host and port. May hold a login. */
  readonly redisUrl?: string;
  /** Database number, or several. Default 0. */
  readonly redisDb?: number | readonly number[];
  /** Speak TLS with Redis. */
  readonly redisTls?: boolean;
  /** PEM file of the authority that signed its certificate. */
  readonly redisCa?: string;
  /** PEM file of the client certificate that it asks for. */
  readonly redisCert?: string;
  /** PEM file of that certificate's key. */
  readonly redisKey?: string;
  /** `host:port[,host:port…]` of sentinels, in place of host and port. */
  readonly redisSentinel?: string;
  /** The master's name there. Default `mymaster`. */
  readonly redisSentinelName?: string;
  /** Default `http://127.0.0.1:6333`. Never with a login: see {@link Secrets.qdrantApiKey}. */
  readonly qdrantUrl?: string;
  /** `bolt://host:port`, `bolt+s://` or `neo4j://`. Default `bolt://127.0.0.1:7687`. May hold a login. */
  readonly graphUrl?: string;
  /** Name of the graph database, where not the server's default. */
  readonly graphDatabase?: string;
  /** Config API. Default `http://127.0.0.1:8000`. Never with a login: see {@link Secrets.apiToken}. */
  readonly apiUrl?: string;
  /** How a config is written. Default `PUT`. */
  readonly apiMethod?: 'PUT' | 'POST' | 'PATCH';
  /** Longest wait for a connection, seconds. Default 5. */
  readonly connectTimeout?: number;
  /** Longest wait for one reply, seconds. Default 300. */
  readonly requestTimeout?: number;
  /** How often a request is made again after a failure that may pass. Default 3. */
  readonly retries?: number;
  /** Wait before the first of them: seconds, or text such as `500ms`. Default 1 s. */
  readonly retryDelay?: number | string;
  /** By how much each further wait is longer than the one before. Default 2. */
  readonly retryBackoff?: number;
}

/** Secrets by value. None of them is ever written down, logged, or part of an event, report or error. */
export interface Secrets {
  readonly redisUsername?: string;
  readonly redisPassword?: string;
  readonly redisKeyPassphrase?: string;
  readonly redisSentinelUsername?: string;
  readonly redisSentinelPassword?: string;
  readonly qdrantApiKey?: string;
  readonly graphUsername?: string;
  readonly graphPassword?: string;
  readonly apiToken?: string;
  /** A passphrase of 16 characters or more, under which secrets of a config are kept in undo logs and backups. */
  readonly encryptionKey?: string;
  /** Sent as a bearer token to addresses that are called as hooks. */
  readonly hookToken?: string;
  /** For the Pushgateway: a bearer token, or a login. */
  readonly pushgatewayToken?: string;
  readonly pushgatewayUsername?: string;
  readonly pushgatewayPassword?: string;
  /** Where notifications go, and what they are signed with: see `--notify`. */
  readonly webhookUrl?: string;
  readonly webhookSecret?: string;
  readonly slackWebhookUrl?: string;
  readonly pagerdutyRoutingKey?: string;
  readonly smtpUrl?: string;
}

/** What every call takes. */
export interface CommonOptions extends StoreOptions {
  /** Where runs are recorded. Default `.tenant-migrate` in the current folder. */
  readonly stateDir?: string;
  /** Stores that are left out: no connection is made to them. */
  readonly skip?: readonly StageName[];
  /** Only these stores. */
  readonly only?: readonly StageName[];
  readonly secrets?: Secrets;
  /**
   * Real values of what the config API masks, as the secrets file holds them: `{ "llm_config": { "api_key": "…" } }`, for
   * several tenants by id.
   */
  readonly configSecrets?: Readonly<Record<string, unknown>>;
  /** Stops the run as Ctrl-C does: what is under way is finished, the record is kept, and it can be resumed. */
  readonly signal?: AbortSignal;
  /**
   * Variables from which settings and secrets are taken that are not given here, as on the command line: hand
   * `process.env` over if that is meant. Nothing is read from the environment where this is absent.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Any other flag of the command, by its name: `{ 'graph-property': ['tenant_id'] }`. Checked as there. */
  readonly flags?: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;
}

/** What belongs to a tenant, and how its records are found. */
export interface ClaimOptions {
  /** Which application wrote the data. Default `rag-api`. */
  readonly profile?: 'rag-api' | 'generic';
  /** Path of a tenant's config. Default `/tenants/{tenant}/config`. */
  readonly apiPath?: string;
  /** Further keys of a tenant, such as `cache:{tenant}:*`. */
  readonly keyTemplate?: readonly string[];
  /** Where JSON values name their tenant, such as `task:{tenant}:*=tenant_id`. */
  readonly valueField?: readonly string[];
  /** Rename keys only: leave the tenant's id inside values as it is. */
  readonly keepValues?: boolean;
  /** Payload field that holds the tenant, where not the profile's. */
  readonly qdrantField?: string;
  /** Label and relationship type of a tenant, such as `Tenant_{tenant}`; its id where absent. */
  readonly graphLabel?: string;
  /** Node properties that hold the tenant's id. */
  readonly graphProperty?: readonly string[];
  /** Qdrant collections and aliases named after a tenant, such as `{tenant}_docs`. */
  readonly collectionTemplate?: readonly string[];
}

/** What {@link plan} takes. */
export interface PlanOptions extends CommonOptions, ClaimOptions, Move {
  /** Go on where source and target both have data. */
  readonly merge?: boolean;
  /** What becomes of records that differ under both ids. Default `fail`. */
  readonly onConflict?: 'fail' | 'skip' | 'overwrite';
  /** What verify will compare. Default `sample`. */
  readonly verify?: 'counts' | 'sample' | 'full';
  /** Whether keys that another tenant could have as well refuse the move. Default `refuse`. */
  readonly ambiguousKeys?: 'refuse' | 'claim' | 'leave';
  /** Refuse where keys hold the id and no template claims them. */
  readonly failOnUnclaimed?: boolean;
  /** Remove the source's config at the end. */
  readonly deleteSourceConfig?: boolean;
  /** Records in one request; left to each stage where absent. */
  readonly batchSize?: number;
}

/** How a run that writes is carried out. */
export interface WriteOptions {
  /**
   * Asked once, after the plan and before the first write; anything but `true` ends the run as `refused`. Without it the
   * run goes on by itself.
   */
  readonly confirm?: (plan: RunPlan) => boolean | Promise<boolean>;
  /** Take everything back where the run fails. */
  readonly autoRollback?: boolean;
  /** Back the tenant up before the first write. */
  readonly backup?: boolean;
  /** Close the run though verify found differences: they are listed as accepted. */
  readonly acceptDifferences?: boolean;
  /** Stop once more records than this have failed. */
  readonly maxErrors?: number;
  /** Stop after so many seconds. */
  readonly timeout?: number;
  /** The run waits between batches while this file exists. */
  readonly pauseFile?: string;
  /** Most records written a second: a number for every stage, or text such as `redis=20000,500points/s`; `none` lifts it. */
  readonly rate?: number | string;
  /** Requests under way at once, in place of what each stage finds fitting. */
  readonly concurrency?: number;
}

/** What {@link move} takes. */
export interface MoveOptions extends PlanOptions, WriteOptions {
  /** Only look: the report says what would be done. */
  readonly dryRun?: boolean;
}

/** What {@link apply} takes. What the plan decides stands in it, so that no option repeats it. */
export interface ApplyOptions extends CommonOptions, WriteOptions {
  /** As {@link plan} gave it, or the path of a file that holds it. An edited plan is refused. */
  readonly plan: RunPlan | string;
  /** Refuse when any count differs from the plan's, instead of by more than 5 %. */
  readonly exactPlan?: boolean;
}

/** What {@link verify} takes. */
export interface VerifyOptions extends CommonOptions, ClaimOptions, Move {
  /** Default `sample`. */
  readonly verify?: 'counts' | 'sample' | 'full';
}

/** What {@link resume} takes. Addresses and all else come from the run's record, but for secrets. */
export interface ResumeOptions extends CommonOptions, Omit<WriteOptions, 'backup'> {
  /** The run's id, or its start; the newest unfinished run where absent. */
  readonly run?: string;
  /** The servers are those of the run, whatever their addresses. */
  readonly sameServers?: boolean;
}

/** What {@link rollback} takes. Addresses and all else come from the run's record, but for secrets. */
export interface RollbackOptions extends CommonOptions {
  /** Most records written a second; where absent the run's own. */
  readonly rate?: number | string;
  /** The run's id, or its start; the newest unfinished run where absent. A finished run must be named. */
  readonly run?: string;
  /** Only look: the report says what would be taken back. */
  readonly dryRun?: boolean;
  /** The servers are those of the run, whatever their addresses. */
  readonly sameServers?: boolean;
}
