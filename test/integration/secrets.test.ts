import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { type AddressInfo, createServer as createPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { tenantConfig } from '../../scripts/seed/tenant-config.ts';
import { seedTenant } from '../../scripts/seed.ts';
import { SECRETS, type SecretName } from '../../src/cli/flags.ts';
import { type CliResult, runCli, runHere } from '../support/cli.ts';
import { startConfigApiStandIn } from '../support/config-api-stand-in.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { filesIn, runIds } from '../support/redis-run.ts';
import { freshRedis } from '../support/redis-server.ts';
import { freshId, secretsOf } from '../support/stores.ts';

/** With what must be escaped in JSON, in URLs and in HTML. */
const odd = (name: string) => `${name.toLowerCase()}-g3heim"<+/%\\`;
/** Such as stand in the middle of a URL. */
const plain = (name: string) => `${name.toLowerCase()}-g3heim`;

/** Noted by the hook: its environment, what it is told, the command lines of the process list, and the metrics as served. */
const HOOK = `
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
// What the user has put into the environment by names of their own is theirs to give.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MY|OTEL)_/.test(name)));
let text = readFileSync(0, 'utf8') + JSON.stringify(env);
for (const id of readdirSync('/proc').filter((name) => /^\\d+$/.test(name))) {
  try {
    const line = readFileSync('/proc/' + id + '/cmdline', 'latin1');
    const parent = /PPid:\\t(\\d+)/.exec(readFileSync('/proc/' + id + '/status', 'utf8'))[1];
    if ([process.pid, process.ppid].some((own) => own === Number(id) || own === Number(parent))) text += '\\nargv ' + line;
  } catch {}
}
const port = process.argv[3];
// A later command calls the same hooks, and serves none.
if (port !== '0') text += await fetch('http://127.0.0.1:' + port + '/metrics').then((reply) => reply.text(), () => '');
appendFileSync(process.argv[2], text + '\\n');
console.log('noted');
`;

const STORE_SECRETS = ['REDIS_PASSWORD', 'QDRANT_API_KEY', 'API_TOKEN', 'GRAPH_PASSWORD'] as const;

describe('a secret', () => {
  const [source, target, absent] = [freshId('acme'), freshId('tenant'), freshId('absent')];
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-secrets-'));
  const stateDir = join(cwd, '.tenant-migrate');
  const noted = join(cwd, 'noted-by-hooks');
  const secrets: Record<SecretName, string> = Object.fromEntries(SECRETS.map((name) => [name, odd(name)])) as never;
  /** Words that must appear nowhere, by what they are. */
  const words = new Map<string, string>();
  const letters: string[] = [];
  const said: (CliResult & { readonly words: string })[] = [];
  let web: Receiver;
  let servers: readonly { close(): unknown }[];
  let redis: Awaited<ReturnType<typeof freshRedis>>;
  let qdrant: Awaited<ReturnType<typeof startQdrantStandIn>>;
  let port: number;
  let flags: readonly string[];
  const settings: Record<string, string> = {};

  beforeAll(async () => {
    redis = await freshRedis();
    qdrant = await startQdrantStandIn({ apiKey: secrets.QDRANT_API_KEY });
    const api = await startConfigApiStandIn({
      token: secrets.API_TOKEN,
      configs: { [source]: tenantConfig(1, source) as never },
    });
    web = await startReceiver();
    const post = await startPost(letters);
    const door = await withKey(qdrant.url, secrets.QDRANT_API_KEY);
    const graphUrl = inject('graphUrl');
    const small = { keys: 40, points: { lightrag_vdb_chunks: 12 }, nodes: 10, relationships: 10 };
    await seedTenant({ tenant: source, ...small }, { redisUrl: redis.url, qdrantUrl: door.url, graphUrl });
    const admin = new Redis(redis.url);
    await admin.call('ACL', 'SETUSER', secrets.REDIS_USERNAME, 'on', `>${secrets.REDIS_PASSWORD}`, '~*', '&*', '+@all');
    await admin.call('ACL', 'SETUSER', 'default', 'off');
    admin.disconnect();
    servers = [api, post, web, qdrant, door];
    port = await freePort();

    secrets.PAGERDUTY_ROUTING_KEY = 'e93facc04764012d7bfb002500d5d1a6';
    secrets.WEBHOOK_URL = `${web.url}/webhook/${plain('webhook_path')}`;
    secrets.SLACK_WEBHOOK_URL = `${web.url}/slack/${plain('slack_path')}`;
    secrets.SMTP_URL = `smtp://${plain('smtp_user')}:${plain('smtp_password')}@127.0.0.1:${post.port}`;
    for (const [name, value] of Object.entries(secrets)) if (!value.includes('://')) words.set(name, value);
    for (const name of ['webhook_path', 'slack_path', 'smtp_user', 'smtp_password']) words.set(name, plain(name));
    for (const fields of Object.values(JSON.parse(secretsOf(source)) as Record<string, Record<string, string>>))
      for (const [name, value] of Object.entries(fields)) words.set(`config ${name} ${value.slice(-4)}`, value);
    for (const name of ['hook_query', 'probe_query', 'otlp_header']) words.set(name, plain(name));

    writeFileSync(join(cwd, 'hook.mjs'), HOOK);
    mkdirSync(join(cwd, 'secrets'));
    Object.assign(settings, {
      TENANT_MIGRATE_HOOK: `after-run=${web.url}/hook?token=${plain('hook_query')}`,
      TENANT_MIGRATE_PROBE: `${web.url}/probe?token=${plain('probe_query')}`,
      OTEL_EXPORTER_OTLP_HEADERS: `api-key=${plain('otlp_header')}`,
      TRACEPARENT: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      GITHUB_ACTIONS: 'true',
      GITHUB_STEP_SUMMARY: join(cwd, 'summary.md'),
    });
    flags = [
      ...['--redis-url', redis.url.replace(/\/\/[^@/]*@/, '//'), '--qdrant-url', qdrant.url],
      ...['--graph-url', graphUrl, '--api-url', api.url],
    ];
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await redis.stop();
  });

  const hook = (metrics: number) =>
    ['before-stage', 'on-failure', 'after-run'].flatMap((event) => [
      '--hook',
      `${event}=${JSON.stringify([process.execPath, join(cwd, 'hook.mjs'), noted, String(event === 'before-stage' ? metrics : 0)])}`,
    ]);
  const watching = () => [
    ...[
      '--log-file',
      join(cwd, 'run.log'),
      '--metrics-file',
      join(cwd, 'run.prom'),
      '--report-dir',
      join(cwd, 'reports'),
    ],
    ...['--pushgateway', `${web.url}/push`, '--notify', 'webhook,slack,pagerduty,mail', '--notify-timeout', '5'],
    ...[
      '--notify-on',
      'start,finish,failure,rollback',
      '--pagerduty-url',
      `${web.url}/v2`,
      '--mail-to',
      'ops@example.org',
    ],
  ];
  const byValue = () => ({ ...settings, ...secrets, TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) });
  /** With the config's as a file, too. */
  const byFile = () => {
    const env: Record<string, string> = { ...settings };
    for (const [name, value] of Object.entries({ ...secrets, CONFIG: secretsOf(source) })) {
      const path = join(cwd, 'secrets', name);
      writeFileSync(path, `${value}\n`, { mode: 0o600 });
      env[name === 'CONFIG' ? 'TENANT_MIGRATE_CONFIG_SECRETS' : `TENANT_MIGRATE_${name}_FILE`] = path;
    }
    return env;
  };
  /** Half of them by variables of other names, half by files that it names. */
  const bySettingsFile = () => {
    const env: Record<string, string> = { ...byFile() };
    const lines: string[] = [];
    for (const [index, name] of SECRETS.entries()) {
      delete env[`TENANT_MIGRATE_${name}_FILE`];
      const key = name.toLowerCase().replaceAll('_', '-');
      lines.push(index % 2 === 0 ? `${key}: \${MY_${index}}` : `${key}-file: ./secrets/${name}`);
      if (index % 2 === 0) env[`MY_${index}`] = secrets[name];
    }
    writeFileSync(join(cwd, 'own.yaml'), `${lines.join('\n')}\n`, { mode: 0o600 });
    return { ...env, TENANT_MIGRATE_CONFIG: join(cwd, 'own.yaml') };
  };
  const run = async (args: readonly string[], env: Record<string, string>, code: number, how = runHere) => {
    const result = await how(args, { cwd, env });
    said.push({ ...result, words: args.join(' ') });
    expect(`${args[0]}: ${result.code} ${result.code === code ? '' : result.stdout + result.stderr}`).toBe(
      `${args[0]}: ${code} `,
    );
    return result;
  };

  it('stands in nothing that any command says, writes or sends, however it was given', {
    timeout: 120_000,
  }, async () => {
    const [value, file, yaml] = [byValue(), byFile(), bySettingsFile()];
    const login = `${plain('url_user')}:${plain('url_word')}@`;
    words.set('url_user', plain('url_user')).set('url_word', plain('url_word'));
    // A login in these addresses is refused, in the others it is used.
    for (const name of ['QDRANT_URL', 'API_URL', 'PUSHGATEWAY', 'PAGERDUTY_URL', 'HOOK', 'PROBE']) {
      const url = `${name === 'HOOK' ? 'after-run=' : ''}${web.url.replace('//', `//${login}`)}`;
      await run(['move', source, target], { ...value, [`TENANT_MIGRATE_${name}`]: url }, 64);
    }
    const [user, word] = [secrets.REDIS_USERNAME, secrets.REDIS_PASSWORD].map(encodeURIComponent);
    const inUrls = (redisLogin: string): Record<string, string> => {
      const { REDIS_USERNAME: _user, REDIS_PASSWORD: _word, ...others } = value;
      const [redisUrl, graphUrl] = [
        `redis://${redisLogin}127.0.0.1:${redis.port}`,
        inject('graphUrl').replace('//', `//${login}`),
      ];
      return { ...others, TENANT_MIGRATE_REDIS_URL: redisUrl, TENANT_MIGRATE_GRAPH_URL: graphUrl };
    };
    const elsewhere = flags.slice(flags.indexOf('--api-url')).concat('--qdrant-url', qdrant.url);
    await run([source, target, ...elsewhere, ...watching(), '--verbose'], inUrls(login), 5);
    const wrong = Object.fromEntries(STORE_SECRETS.map((name) => [name, `${secrets[name]}-wrong`]));
    await run([source, target, ...flags, '--verbose'], { ...value, ...wrong }, 5);
    await run([absent, freshId('none'), ...flags, ...watching(), '--verbose'], file, 5);
    await run(['doctor', source, target, ...flags, '--verbose'], file, 0);
    await run(['plan', source, target, ...flags, '--out', join(cwd, 'plan.json'), '--show-statements'], yaml, 0);

    // Behind the trial write of the preflight.
    qdrant.fail({ path: /points\/(payload|batch)/, skip: 1, kind: 'status', status: 500, body: 'oops', times: 1_000 });
    const log = ['--log-format', 'json', '--metrics-port', String(port), '--backup', '--delete-source-config'];
    const failed = [...flags, ...watching(), ...hook(port), ...log, '--retries', '1', '--json'];
    await run([source, target, ...failed], value, 4, runCli);
    qdrant.clearFailures();
    await run(['resume', ...watching(), '--verbose'], yaml, 0);
    await run(['verify', source, target, ...elsewhere, '--verbose'], inUrls(`${user}:${word}@`), 0);
    const [id = ''] = [...runIds(stateDir)].sort().slice(-1);
    await run(['rollback', id, '--yes', ...watching()], file, 0);
    for (const format of ['text', 'json', 'html', 'markdown']) await run(['report', id, '--format', format], value, 0);
    for (const words of [
      ['status', id, '--verbose'],
      ['status', id, '--json'],
      ['runs', '--verbose'],
      ['backup', 'list'],
    ])
      await run(words, value, 0);
    expect(lookEverywhere()).toEqual([]);

    // They were used, and what was looked through is what there is.
    expect(readFileSync(noted, 'utf8')).toMatch(/argv [\s\S]*tenant-migrate\.mjs[\s\S]*tenant_migrate_running\{/);
    for (const at of ['/hook', '/probe', '/push', '/webhook', '/slack', '/v2'])
      expect(web.received.map(({ path }) => path.slice(0, at.length))).toContain(at);
    expect(letters.length).toBeGreaterThan(2);
    // A header's secret goes to its own receiver alone.
    for (const { path, headers } of web.received) {
      const sent = Object.values(headers).join('\n');
      const own = path.startsWith('/hook') ? /^HOOK_TOKEN$/ : path.startsWith('/push') ? /^PUSHGATEWAY_/ : /^$/;
      const strange = [...words].filter(
        ([name, word]) => !own.test(name) && formsOf(word).some((form) => sent.includes(form)),
      );
      expect(strange, path).toEqual([]);
    }
    // The config's secrets are kept, and sealed.
    expect(filesIn(stateDir).map(({ path }) => path.split('/').at(-1))).toContain('config.ndjson.gz');
    // What would be found is found.
    appendFileSync(join(stateDir, 'runs', id, 'report.md'), Buffer.from(`x:${secrets.API_TOKEN}`).toString('base64'));
    expect(lookEverywhere()).toEqual([`.tenant-migrate/runs/${id}/report.md: API_TOKEN`]);
  });

  /** `where: which`, a line for each place in which a secret stands. */
  const lookEverywhere = (): readonly string[] => {
    const texts = new Map<string, string>();
    for (const [index, { words, stdout, stderr }] of said.entries()) {
      texts
        .set(`stdout of ${index} ${words.slice(0, 30)}`, stdout)
        .set(`stderr of ${index} ${words.slice(0, 30)}`, stderr);
    }
    for (const { path, bytes } of filesIn(cwd)) {
      // What the test itself has written.
      if (path.startsWith(join(cwd, 'secrets')) || path === join(cwd, 'own.yaml')) continue;
      texts.set(path.slice(cwd.length + 1), (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'));
    }
    for (const [index, letter] of letters.entries()) texts.set(`letter ${index}`, letter);
    for (const [index, request] of web.received.entries())
      texts.set(`body ${index} ${request.path.slice(0, 8)}`, request.body);
    return [...texts].flatMap(([where, text]) =>
      [...words]
        .filter(([name]) => !MAY_STAND.some(([place, which]) => place.test(where) && which.test(name)))
        .filter(([, word]) => formsOf(word).some((form) => text.includes(form)))
        .map(([name]) => `${where}: ${name}`),
    );
  };
});

/** Where one is by its nature, and nothing else: everything not named here is searched for every word. */
const MAY_STAND: readonly (readonly [where: RegExp, which: RegExp])[] = [
  // PagerDuty takes its key in the message.
  [/^body \d+ \/v2/, /^PAGERDUTY_ROUTING_KEY$/],
  // Whose rights are told of is named.
  [/^std(out|err) of \d+ doctor/, /^REDIS_USERNAME$/],
  // What a resumed run must call again.
  [/\/run\.json$/, /^(hook|probe)_query$/],
];

/** The word as it is, in base64, in hex, in a URL, in JSON (also within JSON) and in HTML. */
function formsOf(word: string): readonly string[] {
  const bytes = Buffer.from(word);
  const json = JSON.stringify(word).slice(1, -1);
  return [
    word,
    // Also where something stands in front of it, as in a login: in any of the three places a group can begin at.
    ...[0, 1, 2].map((before) =>
      Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .slice(before + (before > 0 ? 1 : 0), -4),
    ),
    bytes.toString('hex'),
    encodeURIComponent(word),
    encodeURI(word),
    json,
    JSON.stringify(json).slice(1, -1),
    word.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
  ];
}

/** The same server without a key, for the seeding. */
async function withKey(url: string, key: string) {
  const server = createServer((request, response) => {
    const headers = { ...request.headers, 'api-key': key };
    const onward = forward(url + request.url, { method: request.method ?? 'GET', headers }, (reply) => {
      response.writeHead(reply.statusCode ?? 500, reply.headers);
      reply.pipe(response);
    });
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
}

async function startPost(letters: string[]) {
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    logger: false,
    onAuth: ({ username }, _session, done) => done(null, { user: username }),
    onData: (stream, _session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        letters.push(Buffer.concat(chunks).toString('utf8'));
        done();
      });
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  return { port, close: () => new Promise<void>((resolve) => server.close(resolve)) };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createPlain();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
