import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startReceiver } from '../support/receiver.ts';
import { type RedisRun, runIds, startRedisRun, until } from '../support/redis-run.ts';

const ALERTS = readFileSync(join(import.meta.dirname, '../../ops/alerts.yml'), 'utf8');
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

let world: RedisRun;
let file: string;

beforeEach(async () => {
  world = await startRedisRun();
  mkdirSync(join(world.cwd, 'textfile'));
  file = join(world.cwd, 'textfile', 'acme.prom');
});
afterEach(() => world.stop());

it('a run under way serves its metrics in both formats, and its end stands in the file and at the Pushgateway', async () => {
  const gateway = await startReceiver();
  gateway.next({ status: 503 });
  const port = await freePort();
  const env = { PUSHGATEWAY_TOKEN: 'token-of-the-gateway' };
  const where = ['--metrics-file', file, '--metrics-port', String(port), '--pushgateway', `${gateway.url}/`];
  const move = await world.hold(world.moveWords([...where, '--metrics-interval', '0.2']), { env });
  const [id = ''] = runIds(world.stateDir);

  const plain = await get(port, '/metrics');
  expect(plain.type).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(numberOf(plain.text, `tenant_migrate_unfinished{run="${id}"}`)).toBe(1);
  expect(numberOf(plain.text, `tenant_migrate_running{run="${id}"}`)).toBe(1);
  expect(numberOf(plain.text, `tenant_migrate_stage_active{run="${id}",stage="redis",phase="apply"}`)).toBe(1);
  expect(numberOf(plain.text, `tenant_migrate_stage_records{run="${id}",stage="redis"}`)).toBe(200);
  const moved = `tenant_migrate_records_total{run="${id}",stage="redis",phase="apply",result="moved"}`;
  // Replies that are held back are not counted yet.
  expect(numberOf(plain.text, moved)).toBeLessThan(200);
  expect(plain.text).toContain('command="move",source="acme",target="tenant_7",moves="1"');
  checkMetrics(plain.text);

  const open = await get(port, '/metrics', 'application/openmetrics-text;version=1.0.0,text/plain;q=0.3');
  expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
  expect(open.text).toMatch(/\n# TYPE tenant_migrate_records counter\ntenant_migrate_records_total\{/);
  expect(open.text).toMatch(/[^\n]\n# EOF\n$/);
  expect(open.text).not.toContain('\n\n');
  expect((await get(port, '/metrics')).text).toContain('# TYPE tenant_migrate_records_total counter');
  expect((await get(port, '/healthz')).text).toBe('ok\n');
  expect((await get(port, '/')).status).toBe(404);
  await until(() => readFile(file).includes(moved), move);

  world.proxy.hang(false);
  expect((await move.ended).code).toBe(0);
  const last = readFile(file);
  expect(numberOf(last, moved)).toBe(200);
  for (const [name, value] of [
    ['unfinished', 0],
    ['running', 0],
    ['exit_code', 0],
  ] as const) {
    expect(numberOf(last, `tenant_migrate_${name}{run="${id}"}`)).toBe(value);
  }
  checkMetrics(last);
  // What the alerts ask for is what a run exports, at its time.
  for (const [name] of ALERTS.matchAll(/tenant_migrate_\w+/g)) expect(plain.text + last).toContain(`\n${name}{`);
  expect(readdirSync(join(world.cwd, 'textfile'))).toEqual(['acme.prom']);

  const pushed = gateway.received.at(-1);
  expect(pushed).toMatchObject({ method: 'PUT', path: `/metrics/job/tenant_migrate/run/${id}` });
  expect(pushed?.headers.authorization).toBe('Bearer token-of-the-gateway');
  expect(numberOf(pushed?.body ?? '', `tenant_migrate_exit_code{run="${id}"}`)).toBe(0);
  expect(last + pushed?.body).not.toContain('token-of-the-gateway');
  await gateway.close();
});

it('a run that is killed is unfinished in the file until it is taken back; what is refused or run dry leaves it alone', async () => {
  const id = await world.killed(['--metrics-file', file, '--metrics-interval', '0.2']);
  const killed = readFile(file);
  expect(numberOf(killed, `tenant_migrate_unfinished{run="${id}"}`)).toBe(1);
  expect(numberOf(killed, `tenant_migrate_running{run="${id}"}`)).toBe(1);

  expect((await world.run(['acme', 'tenant_8', ...world.flags, '--metrics-file', file])).code).toBe(5);
  expect((await world.run(['rollback', '--dry-run', '--metrics-file', file])).code).toBe(0);
  expect(readFile(file)).toBe(killed);

  expect((await world.run(['rollback', '--metrics-file', file])).code).toBe(0);
  const undone = readFile(file);
  expect(numberOf(undone, `tenant_migrate_unfinished{run="${id}"}`)).toBe(0);
  expect(undone).toMatch(/phase="undo",result="taken_back"} [1-9]/);
});

it('a port that is taken, or a file that cannot be, is told before anything is written; a gateway that hangs delays no end', async () => {
  const gateway = await startReceiver();
  gateway.always('hang');
  const taken = await world.run(world.moveWords(['--metrics-port', String(gateway.port)]));
  expect(taken.code).toBe(5);
  expect(taken.stderr).toContain(
    `metrics cannot be served on 127.0.0.1:${gateway.port}: another program listens there`,
  );
  const nowhere = await world.run(world.moveWords(['--metrics-file', join(world.cwd, 'none', 'acme.prom')]));
  expect(nowhere.code).toBe(5);
  expect(nowhere.stderr).toMatch(/--metrics-file .* cannot be written: ENOENT/);
  expect(await world.changed()).toEqual([]);
  expect(runIds(world.stateDir)).toEqual([]);

  const began = Date.now();
  const done = await world.run(world.moveWords(['--pushgateway', gateway.url, '--notify-timeout', '1']));
  expect(done.code).toBe(0);
  expect(Date.now() - began).toBeLessThan(5_000);
  expect(done.stderr.match(/the Pushgateway did not take the metrics: no answer in time/g)).toHaveLength(1);
  await gateway.close();
});

function checkMetrics(text: string): void {
  if (hasPromtool) execFileSync('promtool', ['check', 'metrics'], { input: text, stdio: ['pipe', 'pipe', 'pipe'] });
}

function readFile(path: string): string {
  return readFileSync(path, 'utf8');
}

/** The value of one series, by all that stands before it. */
function numberOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

async function get(port: number, path: string, accept = '*/*') {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { accept } });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
