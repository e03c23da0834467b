import type { ByteString } from '../../model/byte-string.ts';
import type { RedisConnection } from './redis-connection.ts';

/**
 * What the store speaks through: one connection, or the connections to the masters of a cluster, which look like one.
 * The replies come in the order of the commands, and nothing that may have been executed is sent again.
 */
export interface RedisLink
  extends Pick<
    RedisConnection,
    | 'address'
    | 'connections'
    | 'mayFailOver'
    | 'clientId'
    | 'clientName'
    | 'open'
    | 'pipeline'
    | 'read'
    | 'readOnce'
    | 'recover'
    | 'pauseBeforeRetry'
    | 'close'
  > {
  /** What only a cluster has; absent where there is one server. */
  readonly cluster?: ClusterParts;
}

export interface ClusterParts {
  /** The connections to all masters, in the order of their ids. */
  masters(): readonly RedisLink[];
  /** The connection to the master that holds the key now. */
  masterOf(key: ByteString): RedisLink;
  /** Whether both keys are in one slot: only then one command may name both. */
  together(a: ByteString, b: ByteString): boolean;
  /** A hash tag for each master: keys that hold it are that master's. */
  tags(): readonly string[];
  /** Asks the cluster anew who holds which slots. */
  refresh(): Promise<void>;
  /** Slots whose keys are on their way from one master to another now. */
  migrating(): Promise<ReadonlySet<number>>;
}
