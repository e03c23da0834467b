import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { expect } from 'vitest';
import { freePort } from '../../../scripts/services/free-port.ts';
import { PROGRAM } from '../program.ts';
import { startReceiver } from '../receiver.ts';
import { freshCluster } from '../redis-cluster.ts';
import { type RedisWithSentinel, startWithSentinel } from '../redis-sentinel.ts';
import { freshTlsRedis, KEY_PASSPHRASE, tlsFile } from '../redis-tls.ts';
import { type Sshd, startSshd } from '../sshd.ts';
import { secretsOf } from '../stores.ts';
import type { CodeBlock } from './code-blocks.ts';
import type { Place } from './place.ts';

type Undo = () => Promise<unknown>;

/** What a block needs before it can be typed, and what it must end with. */
export interface Scene {
  /** Puts in place what the text around the block speaks of; returns what takes it away again. */
  readonly setUp: (place: Place) => Promise<Undo | undefined>;
  /** The block with the examples' addresses replaced by those that are there. Called after `setUp`. */
  readonly text: (text: string, place: Place) => string;
  readonly exit: number;
  readonly check?: (place: Place, output: string) => Promise<void> | void;
  /** Where the block's lines (its paragraphs, if it has any) are several things of which one is typed: a scene for each. */
  readonly lines?: readonly Partial<Scene>[];
}

/** Blocks that nothing here can run, by their first words. */
export const NOT_RUN: readonly { readonly first: string; readonly why: string }[] = [
  { first: 'npm ci && npm run demo', why: 'the demo is a program of its own, and takes half a minute' },
  { first: 'npm ci && npm test', why: 'it is what runs this' },
  {
    first: 'npm ci && npm run build',
    why: 'another build would change files that other tests run; the packed package is tried elsewhere',
  },
  { first: 'npm ci --ignore-scripts', why: 'it asks the registry about the packages, in a clone of its own' },
  {
    first: 'npm install @opentelemetry/sdk-node',
    why: 'it installs a package; traces are tried with another SDK elsewhere',
  },
];

const DEFAULT: Scene = { setUp: seeded, text: (text) => text, exit: 0 };

async function seeded(place: Place): Promise<undefined> {
  await place.seed('siraya');
}

/** A tenant of keys and points alone, which are quickly moved. */
async function light(place: Place): Promise<undefined> {
  await place.keys('siraya');
  await points(place, 'siraya', 'workspace_id', 'docs');
}

/** A tenant that has a few keys only, where the rest is beside the point. */
async function few(place: Place): Promise<undefined> {
  await place.keys('siraya');
  place.env.METRICS_PORT = `${await freePort()}`;
}

/** The example's move was made. */
async function moved(place: Place): Promise<undefined> {
  await light(place);
  await carriedOut(place, 'tenant-migrate siraya tenant_76920508');
}

/** The example's move was stopped when some of it stood at the target. */
async function unfinished(place: Place): Promise<undefined> {
  await light(place);
  await place.interrupted(/Migrating Qdrant/, 'siraya tenant_76920508');
}

/** The guide's list, its first tenant whole and the others small; `tenants.csv` is where the block is typed. */
async function list(place: Place, rows = LIST): Promise<undefined> {
  await place.seed('siraya');
  const sources = rows.map(([source = '']) => source).filter((source) => source !== 'siraya');
  for (const source of sources) await place.keys(source, source);
  place.file('tenants.csv', place.named(`source,target\n${rows.map((row) => row.join(',')).join('\n')}\n`));
  place.file('secrets.json', JSON.stringify({ [place.named('siraya')]: JSON.parse(secretsOf(place.named('siraya'))) }));
}

const LIST = [
  ['siraya', 'tenant_76920508'],
  ['halden', 'tenant_7203'],
  ['acme', 'acme_eu'],
  ['acme_eu', 'acme_old'],
  ['blue', 'green'],
  ['green', 'blue'],
];
const shortList = (place: Place) => list(place, LIST.slice(0, 2));

/** Both ends have the same keys, but for one that is the target's own. */
async function both(place: Place, differing = false): Promise<undefined> {
  await place.seed('siraya');
  await place.keys('siraya', 'same');
  await place.keys('tenant_76920508', 'same');
  if (differing) await place.redis.set(place.named('tenant_76920508_text_chunks:2'), 'other');
}

async function pointsOf(place: Place, field: string, collection: string): Promise<undefined> {
  await place.seed('acme');
  await points(place, 'acme', field, collection);
  place.secrets('acme');
}

async function points(place: Place, tenant: string, field: string, collection: string): Promise<void> {
  const at = `${place.stores.urls.qdrantUrl}/collections/${place.named(collection)}`;
  const put = async (url: string, body: unknown) => {
    const reply = await fetch(url, { method: 'PUT', body: JSON.stringify(body) });
    if (!reply.ok) throw new Error(`${url}: ${await reply.text()}`);
  };
  await put(at, { vectors: { size: 2, distance: 'Dot' } });
  const two = [1, 2].map((id) => ({
    id,
    vector: [id, 1],
    payload: { [field]: place.named(tenant), doc_id: `${id}` },
  }));
  await put(`${at}/points?wait=true`, { points: two });
}

async function carriedOut(place: Place, script: string): Promise<void> {
  const { code, output } = await place.run(place.named(script));
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${output}`);
}

/** Servers that a few blocks ask for, started once. */
let tls: ReturnType<typeof freshTlsRedis> | undefined;
let sentinel: Promise<RedisWithSentinel> | undefined;
let cluster: ReturnType<typeof freshCluster> | undefined;
let sshd: Promise<Sshd> | undefined;

export async function stopServers(): Promise<void> {
  await Promise.all([
    tls?.then((server) => server.stop()),
    sentinel?.then((servers) => servers.stop()),
    cluster?.then((servers) => servers.stop()),
    sshd?.then((server) => server.stop()),
  ]);
  [tls, sentinel, cluster, sshd] = [undefined, undefined, undefined, undefined];
}

const ofTls: Partial<Scene> = {
  async setUp(place) {
    tls ??= freshTlsRedis(['--tls-auth-clients', 'optional', '--requirepass', 'x']);
    const server = await tls;
    await keysAt(server.port, place, 'x');
    for (const [name, from] of Object.entries({
      'ca.pem': 'ca.crt',
      'client.pem': 'client.crt',
      'client.key': 'client.key',
    })) {
      copyFileSync(tlsFile(from), join(place.cwd, name));
    }
    place.env.REDIS_PASSWORD = 'x';
    place.env.TLS_PORT = `${server.tlsPort}`;
    return undefined;
  },
  text: (text) =>
    text
      .replace('REDIS_PASSWORD=…', 'REDIS_PASSWORD=x')
      .replace('REDIS_KEY_PASSPHRASE=…', `REDIS_KEY_PASSPHRASE=${KEY_PASSPHRASE}`)
      .replace('redis.example:6380', '127.0.0.1:$TLS_PORT'),
};

const ofSentinel: Partial<Scene> = {
  async setUp(place) {
    sentinel ??= startWithSentinel();
    const servers = await sentinel;
    await keysAt(servers.master.port, place);
    place.env.SENTINEL = `127.0.0.1:${servers.sentinelPort}`;
    return undefined;
  },
  text: (text) => text.replace(/--redis-sentinel \S+/, '--redis-sentinel $SENTINEL'),
};

async function keysAt(port: number, place: Place, password?: string): Promise<void> {
  const redis = new Redis({ port, protocol: 2, ...(password === undefined ? {} : { password }) });
  await redis.flushall();
  await redis.mset(place.named('siraya_text_chunks:1'), 'one', place.named('siraya_text_chunks:2'), 'two');
  redis.disconnect();
}

/** The hosts that the examples reach by ssh: this machine, through a real sshd. */
const HOSTS = 'server.example bastion.example bastion';

const ofSsh: Partial<Scene> = {
  async setUp(place) {
    await place.seed('siraya');
    await reachBySsh(place);
    place.env.TENANT_MIGRATE_SSH_CONFIG = join(place.cwd, 'ssh_config');
    return undefined;
  },
  text: (text, place) =>
    text
      .replaceAll('root@', `${userInfo().username}@`)
      .replace('deploy@10.0.0.9:2222', `${userInfo().username}@127.0.0.1:${place.env.SSH_PORT}`)
      .replace('redis.internal', '127.0.0.1')
      .replace('http://qdrant.internal:6333', place.stores.urls.qdrantUrl),
};

async function reachBySsh(place: Place): Promise<void> {
  sshd ??= startSshd(['Subsystem sftp internal-sftp']);
  const server = await sshd;
  const own = [`Host ${HOSTS}`, 'HostName 127.0.0.1', `Port ${server.port}`, `IdentityFile ${server.identity}`];
  place.file('ssh_config', `${readFileSync(server.config, 'utf8')}\n${own.join('\n')}\n`);
  for (const name of ['ssh', 'scp']) place.program(name, `exec /usr/bin/${name} -F ${place.cwd}/ssh_config "$@"`);
  mkdirSync(join(place.cwd, '.ssh'), { mode: 0o700 });
  copyFileSync(server.identity, join(place.cwd, '.ssh/id_ed25519'));
  place.env.SSH_PORT = `${server.port}`;
}

/** Forwards of one's own, from free ports in place of the stores' usual ones. */
const ofForwards: Partial<Scene> = {
  async setUp(place) {
    await place.seed('siraya');
    await reachBySsh(place);
    for (const name of ['REDIS', 'QDRANT', 'MEMGRAPH', 'API']) place.env[`${name}_HERE`] = `${await freePort()}`;
    Object.assign(place.env, {
      TENANT_MIGRATE_REDIS_PORT: place.env.REDIS_HERE,
      TENANT_MIGRATE_QDRANT_URL: `http://127.0.0.1:${place.env.QDRANT_HERE}`,
      TENANT_MIGRATE_MEMGRAPH_PORT: place.env.MEMGRAPH_HERE,
      TENANT_MIGRATE_API_URL: `http://127.0.0.1:${place.env.API_HERE}`,
    });
    return async () => (await sshd)?.cut();
  },
  text: (text, { stores, redisPort }) =>
    text
      .replace('6379:localhost:6379', `$REDIS_HERE:127.0.0.1:${redisPort}`)
      .replace('6333:localhost:6333', `$QDRANT_HERE:127.0.0.1:${new URL(stores.urls.qdrantUrl).port}`)
      .replace('7687:localhost:7687', `$MEMGRAPH_HERE:127.0.0.1:${new URL(stores.urls.graphUrl).port}`)
      .replace('8000:localhost:8000', `$API_HERE:127.0.0.1:${new URL(stores.urls.apiUrl).port}`)
      .replaceAll('root@', `${userInfo().username}@`),
};

const ofClusterByHand: Partial<Scene> = {
  async setUp(place) {
    cluster ??= freshCluster();
    const { nodes } = await cluster;
    const client = new Cluster(nodes.map(({ port }) => ({ host: '127.0.0.1', port })));
    for (const no of [1, 2, 3]) await client.set(place.named(`siraya_text_chunks:${no}`), `${no}`);
    client.disconnect();
    await reachBySsh(place);
    for (const [index, { port }] of nodes.entries()) {
      place.env[`THERE_${index + 1}`] = `127.0.0.1:${port}`;
      place.env[`HERE_${index + 1}`] = `${await freePort()}`;
    }
    return async () => (await sshd)?.cut();
  },
  text: (text) => text.replace(/10\.0\.0\.(\d):6379/g, '$THERE_$1').replace(/700(\d)/g, '$HERE_$1'),
};

const onTheServer: Partial<Scene> = {
  async setUp(place) {
    await place.seed('siraya');
    await reachBySsh(place);
    mkdirSync(join(place.cwd, 'there'));
    // The tests have made that file already.
    place.program('npm', `mkdir dist-bundle && cp ${PROGRAM} dist-bundle/tenant-migrate.mjs`);
    return undefined;
  },
  // The server is this machine, so a shell there that ends at once leaves one where it would be.
  text: (text, { cwd }) => text.replaceAll('root@', `${userInfo().username}@`).replaceAll('/tmp', join(cwd, 'there')),
};

/** A move that is under way, and goes no further. */
async function heldByFile(place: Place): Promise<Undo> {
  await light(place);
  place.file('hold', '');
  const run = place.start('siraya tenant_76920508 --pause-file hold');
  const socket = () => existsSync(join(place.cwd, '.tenant-migrate/runs', place.newest('runs'), 'control.sock'));
  const there = () => existsSync(join(place.cwd, '.tenant-migrate/runs')) && socket();
  for (const end = Date.now() + 30_000; !there(); await sleep(20)) {
    if (Date.now() > end) throw new Error('no run to be controlled within 30 s');
  }
  return async () => {
    run.kill();
    await run.ended;
  };
}

/** Whoever is told of a run is here. */
const told: Partial<Scene> = {
  async setUp(place) {
    await place.seed('siraya');
    const receiver = await startReceiver();
    Object.assign(place.env, { RECEIVER: receiver.url, TENANT_MIGRATE_PAGERDUTY_URL: `${receiver.url}/pagerduty` });
    return async () => {
      await receiver.close();
      expect(receiver.received.length).toBeGreaterThan(0);
    };
  },
  text: (text, { cwd }) =>
    text
      .replace(/https:\/\/(push|hooks)\.\S+/, '$RECEIVER/')
      .replace(/=…/g, `=${'0'.repeat(32)}`)
      .replace('/var/lib/node_exporter/textfile', cwd)
      .replace('--metrics-port 9464', '--metrics-port $METRICS_PORT'),
};

const atHosts = (text: string, { redisPort, stores }: Place) =>
  text
    .replace('192.168.1.100', '127.0.0.1')
    .replace('6380', redisPort)
    .replace('http://192.168.1.101:6333', stores.urls.qdrantUrl)
    .replace('192.168.1.102', '127.0.0.1')
    .replace('7687', new URL(stores.urls.graphUrl).port)
    .replace('http://192.168.1.103:8000', stores.urls.apiUrl);

const ofPipeline: Partial<Scene> = {
  async setUp(place) {
    await place.seed('old_tenant');
    place.secrets('old_tenant');
    return undefined;
  },
};

/** By the first words of the block, or by its heading behind a §. The first that fits. */
const SCENES: readonly (readonly [string, Partial<Scene>])[] = [
  [
    'tenant-migrate siraya tenant_76920508 --dry-run    # what would be done',
    { lines: [{}, { setUp: few }, { setUp: unfinished }, { setUp: unfinished }, { setUp: shortList }] },
  ],
  ['tenant-migrate old_tenant new_tenant', ofPipeline],
  ['set -u\nexport TENANT_MIGRATE_REDIS_HOST', ofPipeline],
  ['tenant-migrate plan --map tenants.csv --skip-missing', { setUp: shortList }],
  ['tenant-migrate plan --map tenants.csv', { setUp: list }],
  [
    'tenant-migrate status\ntenant-migrate resume\ntenant-migrate rollback map-',
    {
      async setUp(place) {
        await list(place);
        await place.interrupted(/Migrating Redis[\s\S]*Migrating Redis/, 'move --map tenants.csv');
        return undefined;
      },
      text: (text) =>
        text
          .replace('tenant-migrate status', 'tenant-migrate status || [ $? = 2 ]')
          .replace(/map-\S+/, '"$(newest maps)"'),
    },
  ],
  ['tenant-migrate siraya tenant_76920508 \\\n  --redis-host 192.168.1.100', { text: atHosts }],
  ['export REDIS_PASSWORD=… REDIS_KEY_PASSPHRASE', ofTls],
  ['tenant-migrate siraya tenant_76920508 --redis-sentinel', ofSentinel],
  [
    'tenant-migrate siraya tenant_76920508 --redis-db',
    {
      async setUp(place) {
        await place.seed('siraya');
        const other = new Redis({ port: Number(place.redisPort), db: 1, protocol: 2 });
        await other.set(place.named('siraya_text_chunks:1'), 'in database 1');
        other.disconnect();
        return undefined;
      },
      check(_place, output) {
        if (!output.includes('database 1')) throw new Error(`nothing of database 1: ${output}`);
      },
    },
  ],
  [
    "tenant-migrate acme acme2 --profile generic --key-template 'app",
    { setUp: (place) => pointsOf(place, 'org', 'docs') },
  ],
  ['tenant-migrate acme acme2 --profile generic --graph-label', { setUp: (place) => pointsOf(place, 'org', 'docs') }],
  [
    'tenant-migrate acme acme2 --profile generic --qdrant-field org --point-id',
    { setUp: (place) => pointsOf(place, 'org', 'docs') },
  ],
  [
    'tenant-migrate acme acme2 --profile generic --collection-template',
    { setUp: (place) => pointsOf(place, 'tenant', 'acme_docs') },
  ],
  ["§ After the guide's own move", { setUp: both }],
  ['§ Merging into a tenant that has data', { setUp: both }],
  ['§ Overwriting what differs', { setUp: (place) => both(place, true) }],
  [
    'tenant-migrate status      # what was done',
    { lines: [{ setUp: unfinished, exit: 2 }, { setUp: unfinished }, { setUp: unfinished }] },
  ],
  [
    'tenant-migrate status\ntenant-migrate resume',
    { setUp: unfinished, text: (text) => text.replace('status', 'status || [ $? = 2 ]') },
  ],
  ['tenant-migrate resume', { setUp: unfinished }],
  ['tenant-migrate runs', { setUp: moved }],
  ['tenant-migrate report', { setUp: moved, text: (text) => text.replace(/20261121\S+/, '"$(newest runs)"') }],
  [
    'tenant-migrate siraya tenant_76920508 --env prod',
    {
      async setUp(place) {
        await ofTls.setUp?.(place);
        const prod = place
          .given('tenant-migrate.yaml')
          .replace('redis.internal:6380/0', `127.0.0.1:${place.env.TLS_PORT}`);
        place.file('tenant-migrate.yaml', prod.replace('redis-ca.pem', 'ca.pem').replace('/run/secrets', '.'));
        place.file('qdrant', 'any-key');
        delete place.env.TENANT_MIGRATE_REDIS_PORT;
        place.env.REDIS_PROD_PASSWORD = 'x';
        return undefined;
      },
    },
  ],
  [
    'tenant-migrate siraya tenant_76920508 --pause-file',
    { text: (text, { cwd }) => text.replaceAll('/tmp/pause', `${cwd}/pause`) },
  ],
  ['tenant-migrate siraya tenant_76920508 --ssh', ofSsh],
  ['tenant-migrate doctor siraya tenant_76920508 --ssh', ofSsh],
  ['ssh -fN -L 6379', ofForwards],
  ['ssh -fN -L 7001', ofClusterByHand],
  ['npm run bundle', onTheServer],
  ['tenant-migrate siraya tenant_76920508 --probe', { text: (text, { cwd }) => text.replace('/tmp', cwd) }],
  ['tenant-migrate control', { setUp: heldByFile }],
  ['tenant-migrate siraya tenant_76920508 --rate 5000', { setUp: few, lines: [{}, {}, {}, { setUp: unfinished }] }],
  ['# for node_exporter', { ...told, setUp: few, lines: [{}, {}, { setUp: told.setUp ?? few }] }],
  ['export SLACK_WEBHOOK_URL', told],
  [
    'tenant-migrate siraya tenant_76920508 --hook before-plan',
    {
      async setUp(place) {
        await place.seed('siraya');
        for (const name of ['fence.sh', 'unfence.sh']) place.file(name, place.given(name), 0o755);
        place.program('kubectl', 'echo "$@" >> "$HOME/kubectl.log"');
        return undefined;
      },
      check(place) {
        expect(readFileSync(join(place.cwd, 'kubectl.log'), 'utf8')).toMatch(/replicas=0\n[\s\S]*replicas=3\n/);
      },
    },
  ],
  ['tenant-migrate rollback --dry-run', { setUp: unfinished }],
  ['tenant-migrate tenant_76920508 siraya', { setUp: moved }],
  ['tenant-migrate verify', { setUp: moved }],
  ['tenant-migrate backup create siraya', { text: (text) => text.replaceAll('20261121T1254', '"$(newest backups)"') }],
  [
    'tenant-migrate rollback <run> --from-backup',
    {
      async setUp(place) {
        await light(place);
        await carriedOut(place, 'tenant-migrate backup create siraya');
        await place.interrupted(/Migrating Qdrant/, 'siraya tenant_76920508');
        rmSync(join(place.cwd, '.tenant-migrate/runs', place.newest('runs'), 'undo'), { recursive: true });
        return undefined;
      },
    },
  ],
  ['tenant-migrate rollback <run>', { setUp: unfinished }],
  ['cd .tenant-migrate/runs/<run>', { setUp: unfinished }],
  [
    'tenant-migrate siraya tenant_76920508 --merge --config-secrets',
    {
      async setUp(place) {
        await unfinished(place);
        rmSync(join(place.cwd, '.tenant-migrate'), { recursive: true });
        return undefined;
      },
    },
  ],
];

/** What is typed, and where: one for a block, or one for each of its lines. */
export function scenesOf(block: CodeBlock): readonly { readonly scene: Scene; readonly script: string }[] {
  const found = SCENES.find(([words]) =>
    words.startsWith('§ ') ? block.heading === words.slice(2) : block.text.startsWith(words),
  );
  const { lines, ...scene } = { ...DEFAULT, ...found?.[1] };
  if (lines === undefined) return [{ scene, script: block.text }];
  const typed = block.text.includes('\n\n')
    ? block.text.split('\n\n')
    : block.text.trim().replaceAll('\\\n', '').split('\n');
  if (typed.length !== lines.length)
    throw new Error(`${block.where} has ${typed.length} lines, its scene ${lines.length}`);
  return typed.map((script, index) => ({ scene: { ...scene, ...lines[index] }, script }));
}
