/** The stores that tests, the demo and the benchmarks run against. */
export const storeNames = ['redis', 'qdrant', 'graph', 'api', 'dragonfly', 'memgraph'] as const;
export type StoreName = (typeof storeNames)[number];

/** Where a store's server came from. `simulated` is a stand-in of this project, never the real server. */
export type How = 'environment' | 'docker' | 'native' | 'simulated' | 'not run here';

/** One store's answer to "can I use you?". */
export interface Service {
  readonly store: StoreName;
  readonly how: How;
  /** Absent exactly where `how` is `not run here`. */
  readonly url?: string;
  /** Only for a graph whose URL and credentials came from the environment. Never written to disk. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** What the server says of itself, such as `7.0.15` or `Neo4j/5.26.0`. */
  readonly version?: string;
  readonly pid?: number;
  /** Why it is not run here. */
  readonly reason?: string;
  /** How long it took until it answered, in milliseconds. */
  readonly ms: number;
}

/** A server that this process started and may stop. */
export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  /** The server's temporary folder, with its data and `server.log`; removed by `stop`. */
  readonly dir: string;
  /** Ends the server and removes its folder. Safe to call twice. */
  stop(): Promise<void>;
}

/** Whether a server ends with the process that started it, or stays until `services down`. */
export type Lifetime = 'with-parent' | 'detached';

/** Takes one line of what is being done, without a newline at its end. */
export type Log = (line: string) => void;
