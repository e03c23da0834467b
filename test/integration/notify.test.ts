import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Received, type Receiver, startReceiver } from '../support/receiver.ts';
import { type RedisRun, runIds, startRedisRun } from '../support/redis-run.ts';

const SECRETS = { WEBHOOK_SECRET: 'shared-secret', PAGERDUTY_ROUTING_KEY: 'r0uting'.padEnd(32, '0') };
const HOSTILE = '<!channel>&*b*"<script>,@everyone';

let world: RedisRun;
let web: Receiver;

beforeEach(async () => {
  [world, web] = await Promise.all([startRedisRun(), startReceiver()]);
});
afterEach(() => Promise.all([world.stop(), web.close()]));

const env = () => ({
  ...SECRETS,
  WEBHOOK_URL: `${web.url}/hooks/path-of-the-hook`,
  SLACK_WEBHOOK_URL: `${web.url}/slack/path-of-slack`,
});
const pagerDuty = () => ['--pagerduty-url', `${web.url}/v2/enqueue`];
const of = (path: string): readonly Received[] => web.received.filter((request) => request.path.startsWith(path));
const json = (request: Received | undefined) => JSON.parse(request?.body ?? '') as Record<string, unknown>;

it('start and finish are told to each receiver in its own format; names are harmless, and no secret is told', async () => {
  await world.redis.set(`${HOSTILE}_text_chunks:1`, 'one');
  const post = await startPost({ disabledCommands: ['STARTTLS'] });
  const notify = ['--notify', 'webhook,slack,mail,pagerduty', '--notify-on', 'start, finish', ...pagerDuty()];
  const mail = ['--mail-to', 'ops@example.org,second@example.org', '--mail-from', 'tool@example.org'];
  const words = [HOSTILE, 'tenant_9', ...world.flags, ...notify, ...mail];
  const run = await world.run(words, {
    env: { ...env(), SMTP_URL: `smtp://user:word-of-the-mail@127.0.0.1:${post.port}` },
  });
  expect(run.code, run.stderr).toBe(0);

  const [id] = runIds(world.stateDir);

  expect(of('/hooks').map(({ headers }) => headers['x-tenant-migrate-event'])).toEqual(['start', 'finish']);
  for (const { headers, body } of of('/hooks')) {
    const [, seconds = '', digest] = /^t=(\d+),v1=(\w+)$/.exec(String(headers['x-tenant-migrate-signature'])) ?? [];
    expect(createHmac('sha256', SECRETS.WEBHOOK_SECRET).update(`${seconds}.${body}`).digest('hex')).toBe(digest);
    expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(60);
  }
  expect(json(of('/hooks')[1])).toMatchObject({
    schema: 'tenant-migrate/notification@1',
    event: 'finish',
    run: id,
    moves: [{ source: HOSTILE, target: 'tenant_9' }],
    unfinished: false,
    outcome: 'done',
    exitCode: 0,
    stages: expect.arrayContaining([expect.objectContaining({ name: 'redis', status: 'done', moved: 1 })]),
  });

  expect(of('/slack')).toHaveLength(2);
  for (const request of of('/slack')) {
    expect(problems(SLACK, json(request))).toEqual([]);
    expect(request.body).toContain('&lt;!channel&gt;&amp;*b*');
    expect(request.body).not.toMatch(/<|[^\\]>/);
  }
  // Nothing was unfinished, so nobody is called.
  expect(of('/v2')).toEqual([]);

  expect(post.letters).toHaveLength(2);
  const [, letter] = post.letters;
  expect(letter).toMatchObject({
    to: ['ops@example.org', 'second@example.org'],
    from: 'tool@example.org',
    user: 'user',
  });
  expect(letter?.headers.filter(([name]) => name === 'subject')).toHaveLength(1);
  expect(letter?.headers.map(([name]) => name)).toContain('auto-submitted');
  expect(letter?.headers.find(([name]) => name === 'content-type')?.[1]).toMatch(/^text\/plain/);
  expect(letter?.text).toContain(`Run: ${id}`);

  const said = [run.stdout, run.stderr, ...web.received.map(({ body }) => body), ...post.letters.map(({ raw }) => raw)];
  for (const secret of [...Object.values(SECRETS), 'path-of-', 'word-of-the-mail'])
    expect(said.join()).not.toContain(secret);
  await post.close();
});

it('a failure calls whoever is on call by the run’s id, and taking it back ends the call', async () => {
  const others = ['~[^a]*', '~acme:*', '~acme_[^t]*', '~acme_text_chunks_*'];
  const allowed = `(+renamenx ${others.join(' ')} ~acme_text_chunks:[^9]*)`;
  await world.redis.call('ACL', 'SETUSER', 'mover', 'on', '>pw', '~*', '&*', '+@all', '-renamenx', allowed);
  const notify = ['--notify', 'pagerduty,webhook', ...pagerDuty()];
  const login = { ...env(), REDIS_USERNAME: 'mover', REDIS_PASSWORD: 'pw' };
  const failed = await world.run(world.moveWords(['--max-errors', '0', ...notify]), { env: login });
  expect(failed.code).toBe(4);
  const { run: id } = json(of('/hooks')[0]);
  expect(runIds(world.stateDir)).toContain(id);
  expect(json(of('/hooks')[0])).toMatchObject({
    event: 'failure',
    unfinished: true,
    exitCode: 4,
    next: expect.stringContaining('resume'),
  });
  await world.redis.call('ACL', 'SETUSER', 'mover', 'clearselectors', '+renamenx');
  expect((await world.run(['rollback', ...notify], { env: login })).code).toBe(0);
  expect(of('/v2').map((request) => problems(PAGERDUTY, json(request)))).toEqual([[], []]);
  expect(of('/v2').map(json)).toEqual([
    expect.objectContaining({
      event_action: 'trigger',
      dedup_key: `tenant-migrate/${id}`,
      routing_key: SECRETS.PAGERDUTY_ROUTING_KEY,
      payload: expect.objectContaining({ severity: 'critical', class: 'failed' }),
    }),
    expect.objectContaining({ event_action: 'resolve', dedup_key: `tenant-migrate/${id}` }),
  ]);
  expect(json(of('/hooks')[1])).toMatchObject({ event: 'rollback', unfinished: false });
});

it('what ends before there is a run, such as a tunnel that cannot be, is told too, and calls nobody', async () => {
  const words = [...world.moveWords(['--notify', 'webhook,pagerduty', ...pagerDuty()]), '--ssh', '127.0.0.1:1'];
  const refused = await world.run(words, { env: env() });
  expect(refused.code).toBe(5);
  expect(of('/hooks').map(json)).toEqual([
    expect.objectContaining({
      event: 'failure',
      severity: 'warning',
      title: 'Move could not begin',
      run: 'none',
      outcome: null,
      message: expect.stringContaining('no tunnel through 127.0.0.1:1'),
    }),
  ]);
  expect(of('/v2')).toEqual([]);
});

it('a list of waves is told once, by its own id, and so is its end; a dry run tells nobody', async () => {
  writeFileSync(join(world.cwd, 'list.csv'), 'source,target\nacme,tenant_7\nacme_eu,acme\n');
  const file = join(world.cwd, 'list.prom');
  const notify = ['--notify', 'webhook', '--notify-on', 'start,finish,rollback', '--metrics-file', file];
  const list = ['move', '--map', join(world.cwd, 'list.csv'), ...world.flags, ...notify];
  expect((await world.run([...list, '--dry-run'], { env: env() })).code).toBe(0);
  expect(web.received).toEqual([]);
  const done = await world.run([...list, '--json'], { env: env() });
  expect(done.code, done.stderr).toBe(0);
  const { runId } = done.json() as { runId: string };
  expect(runId).toMatch(/^map-/);
  expect(web.received.map(json)).toEqual([
    expect.objectContaining({ event: 'start', run: runId, moveCount: 2 }),
    expect.objectContaining({ event: 'finish', run: runId, moveCount: 2, outcome: 'done', unfinished: false }),
  ]);
  const metrics = readFileSync(file, 'utf8');
  expect(metrics).toContain(`tenant_migrate_unfinished{run="${runId}"} 0`);
  expect(metrics).toMatch(/stage="redis",phase="apply",result="moved"} 210\n/);

  const back = await world.run(['rollback', runId, ...notify], { env: env() });
  expect(back.code, back.stderr).toBe(0);
  expect(json(web.received.at(-1))).toMatchObject({ event: 'rollback', run: runId, outcome: 'rolled-back' });
});

it('500 and 429 are tried again when they ask for it; redirects are not followed; who hangs delays no end', async () => {
  web.next({ status: 500 }, { status: 429, headers: { 'retry-after': '1' } });
  const words = (channel: string, more: readonly string[] = []) => [
    '--notify',
    channel,
    '--notify-on',
    'finish',
    ...more,
  ];
  const first = await world.run(world.moveWords(words('webhook')), { env: env() });
  expect(first.code).toBe(0);
  expect(of('/hooks')).toHaveLength(3);
  const [, , third, second] = [...of('/hooks'), of('/hooks')[1]];
  expect((third?.at ?? 0) - (second?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
  expect(new Set(of('/hooks').map(({ headers }) => headers['x-tenant-migrate-delivery'])).size).toBe(1);
  expect(first.stderr).not.toContain('was not told');

  web.next({ status: 302, headers: { location: `${web.url}/elsewhere` } });
  const again = await world.run(world.moveWords(words('slack')), { env: env() });
  expect(again.code).toBe(0);
  expect(again.stderr).toContain(`Slack (127.0.0.1:${web.port}) was not told of the finish: answered 302`);
  expect(of('/elsewhere')).toEqual([]);

  web.always('hang');
  const silent = await startPost({}, { greets: false });
  const began = Date.now();
  const mail = ['--mail-to', 'ops@example.org', '--notify-timeout', '1', '--quiet'];
  const hung = await world.run(world.moveWords(words('webhook,mail', mail)), {
    env: { ...env(), SMTP_URL: `smtp://127.0.0.1:${silent.port}` },
  });
  expect(hung.code).toBe(0);
  expect(Date.now() - began).toBeLessThan(5_000);
  expect(hung.stderr).toMatch(/the webhook \(.*\) was not told of the finish: no answer in time/);
  expect(hung.stderr).toMatch(/mail \(.*\) was not told of the finish: no answer in time/);
  expect(again.stderr + hung.stderr).not.toContain('path-of-');
  await silent.close();
});

it('a receiver whose certificate nobody vouches for gets nothing, by HTTPS or by mail; what is missing is told before', async () => {
  const pem = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures/redis-tls', name));
  const tls = await startReceiver({ key: pem('server.key'), cert: pem('server.crt') });
  const post = await startPost({});
  const given = {
    WEBHOOK_URL: `${tls.url}/x`,
    SMTP_URL: `smtp://127.0.0.1:${post.port}`,
  };
  const notify = ['--notify', 'webhook,mail', '--mail-to', 'ops@example.org'];
  // By which Node leaves certificates unverified, and says so.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const run = await world.run(world.moveWords(notify), { env: given }).finally(() => vi.unstubAllEnvs());
  expect(run.code).toBe(0);
  expect(run.stderr.match(/was not told of the finish: its certificate is not trusted/g)).toHaveLength(2);
  expect([...tls.received, ...post.letters]).toEqual([]);

  for (const [words, missing] of [
    [['--notify', 'slack'], /--notify slack needs SLACK_WEBHOOK_URL/],
    [['--notify', 'mail'], /--notify mail needs --mail-to/],
    [['--notify', 'pigeon'], /--notify must be one of webhook, slack, pagerduty, mail/],
    [['--notify', 'webhook', '--mail-to', 'a@b>\r\nBcc: c@d'], /--mail-to is not a mail address/],
  ] as const) {
    const refused = await world.run(world.moveWords(words), { env: {} });
    expect(refused.code).toBe(64);
    expect(refused.stderr).toMatch(missing);
  }
  await Promise.all([tls.close(), post.close()]);
});

interface Letter {
  readonly from: string;
  readonly to: readonly string[];
  readonly user: string | undefined;
  readonly raw: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly text: string;
}

/** A mail server that keeps what it gets. Its certificate is nobody's. */
async function startPost(options: SMTPServerOptions, { greets = true } = {}) {
  const letters: Letter[] = [];
  const server = new SMTPServer({
    ...options,
    authOptional: true,
    allowInsecureAuth: true,
    logger: false,
    onAuth: ({ username }, _session, done) => done(null, { user: username }),
    onConnect: (_session, done) => {
      if (greets) done();
    },
    onData: (stream, { envelope, user }, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8');
        const { mailFrom, rcptTo } = envelope;
        const from = mailFrom === false ? '' : mailFrom.address;
        letters.push({ from, to: rcptTo.map(({ address }) => address), user, raw, ...parsed(raw) });
        done();
      });
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as { port: number };
  return { port, letters, close: () => new Promise<void>((resolve) => server.close(resolve)) };
}

function parsed(raw: string): Pick<Letter, 'headers' | 'text'> {
  const [head = '', ...rest] = raw.split('\r\n\r\n');
  const lines = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
  const headers = lines.map(
    (line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const,
  );
  return { headers, text: rest.join('\r\n\r\n') };
}

function problems(schema: object, document: unknown): readonly unknown[] {
  const check = new Ajv({ allErrors: true }).compile(schema);
  check(document);
  return check.errors ?? [];
}

const text = (types: readonly string[], most: number) => ({
  type: 'object',
  required: ['type', 'text'],
  properties: {
    type: { enum: types },
    text: { type: 'string', minLength: 1, maxLength: most },
    emoji: { type: 'boolean' },
    verbatim: { type: 'boolean' },
  },
  additionalProperties: false,
});

/** As Slack documents incoming webhooks and the blocks `header` and `section`. */
const SLACK = {
  type: 'object',
  required: ['text', 'blocks'],
  properties: {
    text: { type: 'string', maxLength: 40_000 },
    unfurl_links: { type: 'boolean' },
    unfurl_media: { type: 'boolean' },
    blocks: {
      type: 'array',
      minItems: 1,
      maxItems: 50,
      items: {
        oneOf: [
          {
            type: 'object',
            required: ['type', 'text'],
            properties: { type: { const: 'header' }, text: text(['plain_text'], 150) },
            additionalProperties: false,
          },
          {
            type: 'object',
            required: ['type', 'fields'],
            properties: {
              type: { const: 'section' },
              fields: { type: 'array', minItems: 1, maxItems: 10, items: text(['plain_text', 'mrkdwn'], 2_000) },
            },
            additionalProperties: false,
          },
        ],
      },
    },
  },
  additionalProperties: false,
};

/** As PagerDuty documents `POST /v2/enqueue`. */
const PAGERDUTY = {
  type: 'object',
  required: ['routing_key', 'event_action', 'dedup_key'],
  properties: {
    routing_key: { type: 'string', minLength: 32, maxLength: 32 },
    event_action: { enum: ['trigger', 'acknowledge', 'resolve'] },
    dedup_key: { type: 'string', maxLength: 255 },
    client: { type: 'string' },
    payload: {
      type: 'object',
      required: ['summary', 'source', 'severity'],
      properties: {
        summary: { type: 'string', maxLength: 1_024 },
        source: { type: 'string', minLength: 1 },
        severity: { enum: ['critical', 'error', 'warning', 'info'] },
        timestamp: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$' },
        component: { type: 'string' },
        group: { type: 'string' },
        class: { type: 'string' },
        custom_details: { type: 'object' },
      },
      additionalProperties: false,
    },
  },
  if: { properties: { event_action: { const: 'trigger' } } },
  // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema
  then: { required: ['payload'] },
  additionalProperties: false,
};
