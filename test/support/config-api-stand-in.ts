import { Cluster, Redis } from 'ioredis';
import { type FaultControls, type SimulatedReply, type SimulatedRequest, startFaultHttp } from './fault-http.ts';
import { runAsProcess } from './run-as-process.ts';

const SECTION_NAMES = [
  'llm_config',
  'embedding_config',
  'rerank_config',
  'ds_ocr_config',
  'mineru_config',
  'custom_prompts',
] as const;
const SECRETS = new Set(['api_key', 'api_token']);
/** Shorter secrets are masked whole: of these, first and last characters would show too much. */
const SHORTEST_SHOWN = 12;

export type SectionName = (typeof SECTION_NAMES)[number];
export type Section = Readonly<Record<string, unknown>>;
export type Sections = { readonly [name in SectionName]?: Section | null };

/** A tenant's config as the application keeps it: secrets unmasked. */
export interface StoredConfig {
  readonly sections: Sections;
  /** ISO 8601. */
  readonly created_at: string;
  readonly updated_at: string;
}

/** A server in this process that behaves like the application's config API, in memory, and can be made to fail. */
export interface ConfigApiStandIn extends FaultControls {
  /** What is kept for the tenant, unmasked; nothing where it has no config. */
  stored(id: string): StoredConfig | undefined;
  /** Puts a tenant's config in place of what was there, without a request. */
  seed(id: string, sections: Sections): void;
  /** Whether configs are kept in the Redis that was named at the start, from now on. */
  keepInRedis(on: boolean): void;
}

export interface ConfigApiStandInOptions {
  readonly port?: number;
  readonly host?: string;
  /** Where given, requests need it as a bearer token. */
  readonly token?: string;
  /** What is there at the start and after a reset, by tenant id. */
  readonly configs?: Readonly<Record<string, Sections>>;
  /**
   * Keeps the configs in this Redis as `tenant:config:<id>`, unmasked, as the application does in production. What was
   * read once is answered from a cache that only a refresh clears.
   */
  readonly redisUrl?: string;
  /** Whether that is a node of a cluster. */
  readonly redisCluster?: boolean;
}

/** What `merged_config` fills in where the tenant has nothing of its own. */
const GLOBAL_DEFAULTS: Readonly<Partial<Record<SectionName, Section>>> = {
  llm_config: { provider: 'openai', model: 'global-model', api_key: 'sk-global-0123456789' },
  embedding_config: { model: 'global-embedding', dim: 1024, api_key: 'sk-global-9876543210' },
  rerank_config: { enabled: false },
};

export async function startConfigApiStandIn(options: ConfigApiStandInOptions = {}): Promise<ConfigApiStandIn> {
  const configs = new Map<string, StoredConfig>();
  const kept = options.redisUrl === undefined ? undefined : keepIn(options.redisUrl, options.redisCluster);
  const seed = (id: string, sections: Sections) => {
    const now = new Date().toISOString();
    configs.set(id, { sections: structuredClone(sections), created_at: now, updated_at: now });
  };
  let keeping = kept !== undefined;
  const seedAll = () => {
    configs.clear();
    kept?.forget();
    for (const [id, sections] of Object.entries(options.configs ?? {})) seed(id, sections);
  };
  seedAll();
  const controls = await startFaultHttp(
    {
      simulated: 'config-api',
      isWrite: (method) => method !== 'GET' && method !== 'HEAD',
      answer: async (request) => {
        const refused = refusedToken(request, options.token);
        if (refused !== undefined) return refused;
        return kept === undefined || !keeping ? answer(configs, request) : kept.around(configs, request, answer);
      },
      reset: seedAll,
      controls: {
        seed: (body) => {
          const { id, sections } = body as { id: string; sections: Sections };
          seed(id, sections);
        },
      },
    },
    options,
  );
  const close = async () => {
    kept?.close();
    await controls.close();
  };
  const keepInRedis = (on: boolean) => {
    keeping = on;
  };
  return { ...controls, close, stored: (id) => configs.get(id), seed, keepInRedis };
}

/** The configs in Redis, and the cache before them. */
function keepIn(url: string, cluster = false) {
  const redis = cluster ? new Cluster([url], { redisOptions: { protocol: 2 } }) : new Redis(url, { protocol: 2 });
  // What a request needed of it fails that request.
  redis.on('error', () => undefined);
  const cache = new Map<string, StoredConfig | undefined>();
  type Answer = (configs: Map<string, StoredConfig>, request: SimulatedRequest) => SimulatedReply;
  return {
    close: () => redis.disconnect(),
    forget: () => cache.clear(),
    /** Lets the request be answered from what it may see, and keeps what it changed. */
    async around(
      configs: Map<string, StoredConfig>,
      request: SimulatedRequest,
      answer: Answer,
    ): Promise<SimulatedReply> {
      const id = decoded(/^\/tenants\/([^/]+)\//.exec(`${request.pathname}/`)?.[1] ?? '') ?? '';
      const key = `tenant:config:${id}`;
      if (request.pathname.endsWith('/refresh')) cache.delete(id);
      const reads = request.method === 'GET';
      if (!reads || !cache.has(id)) {
        const text = await redis.get(key);
        const { tenant_id, created_at, updated_at, ...sections } = text === null ? {} : JSON.parse(text);
        const stored = text === null ? undefined : { sections, created_at, updated_at };
        if (reads) cache.set(id, stored);
        if (stored === undefined) configs.delete(id);
        else configs.set(id, stored);
      }
      const shown = cache.get(id);
      const reply = answer(reads ? new Map(shown === undefined ? [] : [[id, shown]]) : configs, request);
      if (request.method === 'DELETE') await redis.del(key);
      const now = configs.get(id);
      if (request.method === 'PUT' && now !== undefined) {
        const { sections, ...times } = now;
        await redis.set(key, JSON.stringify({ tenant_id: id, ...sections, ...times }));
      }
      return reply;
    },
  };
}

function answer(configs: Map<string, StoredConfig>, request: SimulatedRequest): SimulatedReply {
  const [, encoded, refresh] = /^\/tenants\/([^/]+)\/config(\/refresh)?$/.exec(request.pathname) ?? [];
  const id = encoded === undefined ? undefined : decoded(encoded);
  if (id === undefined) return reply(404, { detail: 'Not Found' });
  const call = `${request.method}${refresh ?? ''}`;
  switch (call) {
    case 'GET':
      return shown(configs, id);
    case 'PUT':
      return put(configs, id, request.body.toString('utf8'));
    case 'DELETE':
      return configs.delete(id) ? reply(200, { message: 'Tenant config deleted', tenant_id: id }) : absent(id);
    case 'POST/refresh':
      return reply(200, { message: 'Tenant config cache refreshed', tenant_id: id });
    default:
      return reply(405, { detail: 'Method Not Allowed' });
  }
}

/** Only the sections in the body change; one given as null becomes null. Unknown fields are ignored. */
function put(configs: Map<string, StoredConfig>, id: string, text: string): SimulatedReply {
  const given = parsed(text);
  if (!isSection(given)) return reply(400, { detail: 'The body must be a JSON object' });
  const present = SECTION_NAMES.filter((name) => given[name] !== undefined);
  const bad = present.find((name) => given[name] !== null && !isSection(given[name]));
  if (bad !== undefined) return reply(400, { detail: `Invalid ${bad}: expected an object or null` });
  const old = configs.get(id);
  const now = new Date().toISOString();
  const changed = Object.fromEntries(present.map((name) => [name, given[name]])) as Sections;
  configs.set(id, { sections: { ...old?.sections, ...changed }, created_at: old?.created_at ?? now, updated_at: now });
  return shown(configs, id);
}

function shown(configs: ReadonlyMap<string, StoredConfig>, id: string): SimulatedReply {
  const config = configs.get(id);
  if (config === undefined) return absent(id);
  const { sections, created_at, updated_at } = config;
  const own = SECTION_NAMES.map((name) => [name, masked(sections[name] ?? null)]);
  const merged = SECTION_NAMES.map((name) => [name, masked(mergedSection(name, sections[name]))]);
  return reply(200, {
    tenant_id: id,
    ...Object.fromEntries(own),
    created_at,
    updated_at,
    merged_config: Object.fromEntries(merged),
  });
}

function absent(id: string): SimulatedReply {
  const message = `No config for tenant '${id}'`;
  return reply(404, { detail: { message, tenant_id: id, using_global_config: true } });
}

function mergedSection(name: SectionName, own: Section | null | undefined): Section | null {
  const defaults = GLOBAL_DEFAULTS[name];
  return defaults === undefined && (own === undefined || own === null) ? null : { ...defaults, ...own };
}

/** `api_key` and `api_token` at the top of a section: first 3 + `***` + last 4, or `***` when shorter than 12. */
function masked(section: Section | null): Section | null {
  if (section === null) return null;
  return Object.fromEntries(
    Object.entries(section).map(([key, value]) => [
      key,
      SECRETS.has(key) && typeof value === 'string' ? maskedSecret(value) : value,
    ]),
  );
}

function maskedSecret(secret: string): string {
  return secret.length < SHORTEST_SHOWN ? '***' : `${secret.slice(0, 3)}***${secret.slice(-4)}`;
}

function refusedToken({ headers }: SimulatedRequest, token: string | undefined): SimulatedReply | undefined {
  if (token === undefined || headers.authorization === `Bearer ${token}`) return undefined;
  return reply(401, { detail: 'Invalid token' });
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function reply(status: number, body: unknown): SimulatedReply {
  return { status, body: JSON.stringify(body) };
}

await runAsProcess(import.meta.url, 'config-api', ['token'], ({ port, host, token }) =>
  startConfigApiStandIn({
    port,
    ...(host === undefined ? {} : { host }),
    ...(token === undefined ? {} : { token }),
  }),
);
