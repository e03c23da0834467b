import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { PersistentVolumeClaim } from 'kubernetes-models/v1/PersistentVolumeClaim';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import type { RedisServer } from '../../scripts/services/redis.ts';
import { freshRedis } from '../support/redis-server.ts';

const project = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(project, path), 'utf8');

let server: RedisServer;
let redis: Redis;

beforeAll(async () => {
  server = await freshRedis();
  redis = new Redis({ port: server.port, protocol: 2 });
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

beforeEach(async () => {
  await redis.flushall();
  await redis.mset({ 'acme_text_chunks:1': 'one', 'acme_text_chunks:2': 'two' });
});

test('the Job is one that Kubernetes takes, and says of every exit code of a move what follows', () => {
  const [claim, job] = parseAllDocuments(read('ops/kubernetes/job.yaml')).map((document) => document.toJS());
  expect(() => new PersistentVolumeClaim(claim).validate()).not.toThrow();
  expect(() => new Job(job).validate()).not.toThrow();
  const { rules } = job.spec.podFailurePolicy as { rules: { action: string; onExitCodes?: { values: number[] } }[] };
  const actions = rules.flatMap(({ action, onExitCodes }) =>
    (onExitCodes?.values ?? []).map((code) => [code, action] as const),
  );
  // As the guide lists them, but 0.
  const listed = [...read('README.md').matchAll(/^\| ([\d, ]+) \| /gm)].flatMap(([, codes = '']) =>
    codes.split(', ').map(Number),
  );
  expect(actions.map(([code]) => code).sort((a, b) => a - b)).toEqual(
    listed.filter((code) => code > 0).sort((a, b) => a - b),
  );
  expect(Object.fromEntries(actions)).toMatchObject({ 4: 'Count', 5: 'FailJob', 78: 'FailJob', 143: 'Ignore' });
  expect(job.spec.template.spec).toMatchObject({ restartPolicy: 'Never' });
});

test('the image copies what is there, runs scripts that there are, and not as root', () => {
  const lines = read('Dockerfile').split('\n');
  const copied = lines.filter((line) => /^COPY (?!--from)/.test(line)).flatMap((line) => line.split(' ').slice(1, -1));
  for (const path of copied) {
    expect(existsSync(join(project, path)), path).toBe(true);
    expect(read('.dockerignore').split('\n')).toContain(`!${path.replace('./', '')}`);
  }
  const { scripts } = JSON.parse(read('package.json'));
  const used = [...read('Dockerfile').matchAll(/npm run (\w+)/g)].map(([, name = '']) => name);
  expect(used).toEqual(['build', 'bundle']);
  for (const name of used) expect(Object.keys(scripts)).toContain(name);
  expect(lines).toContain('USER node');
  expect(lines.findIndex((line) => line.startsWith('USER'))).toBeLessThan(
    lines.findIndex((line) => line.startsWith('ENTRYPOINT')),
  );
});

test('the action moves a tenant and hands on how it ended', async () => {
  const { code, outputs, folder } = await action({ SOURCE: 'acme', TARGET: 'tenant_7' });
  expect(code).toBe(0);
  expect(outputs).toMatchObject({ 'exit-code': '0', outcome: 'done' });
  expect(readdirSync(join(folder, '.tenant-migrate/runs'))).toEqual([outputs['run-id']]);
  expect(await redis.keys('*')).toEqual(expect.arrayContaining(['tenant_7_text_chunks:1', 'tenant_7_text_chunks:2']));
});

test('the action fails as the command does, and no input of it is read as shell', async () => {
  const hostile = '$(touch pwned)`touch pwned`"; touch pwned; #';
  const { code, outputs, folder } = await action({ SOURCE: hostile, TARGET: '* $HOME', ARGS: '--dry-run\r\n' });
  expect({ code, exit: outputs['exit-code'] }).toEqual({ code: 5, exit: '5' });
  expect(readdirSync(folder)).not.toContain('pwned');
  expect(await redis.dbsize()).toBe(2);
});

test('the action makes the program of its own checkout where it is given none, and makes it once', async () => {
  const checkout = mkdtempSync(join(tmpdir(), 'tenant-migrate-checkout-'));
  execFileSync('bash', ['-c', `git ls-files -z | tar --null -T - -c | tar -x -C '${checkout}'`], { cwd: project });
  const { code, outputs, folder } = await action({ SOURCE: 'acme', TARGET: 'tenant_7', PROGRAM: '' }, checkout);
  expect({ code, exit: outputs['exit-code'] }).toEqual({ code: 0, exit: '0' });
  const made = statSync(join(folder, 'tenant-migrate.mjs')).mtimeMs;
  const again = await action({ COMMAND: 'verify', SOURCE: 'acme', TARGET: 'tenant_7', PROGRAM: '' }, checkout, folder);
  expect(again.code).toBe(0);
  expect(statSync(join(folder, 'tenant-migrate.mjs')).mtimeMs).toBe(made);
  rmSync(checkout, { recursive: true });
});

test('the recipes for pipelines are YAML whose flags the command knows', async () => {
  const github = parse(read('ops/ci/github-workflow.yml'));
  const step = github.jobs['move-tenant'].steps.find(({ id }: { id?: string }) => id === 'move');
  expect(
    Object.keys(step.with).filter((name) => !Object.keys(parse(read('action.yml')).inputs).includes(name)),
  ).toEqual([]);
  const gitlab = parse(read('ops/ci/gitlab-ci.yml'))['move-tenant'];
  const words = gitlab.script[0].split(' > ')[0].split(' ').slice(2);
  const run = await bash(`node ${join(project, 'dist/main.js')} ${words.join(' ')} ${onlyRedis().join(' ')}`);
  expect(run.code).toBe(5);
  expect(JSON.parse(run.stdout)).toMatchObject({ outcome: 'refused', problems: [{ code: 'unknown-tenant' }] });
});

const onlyRedis = () => ['--only', 'redis', '--redis-port', `${server.port}`];

/** Runs the action's step as the runner does: its script in bash, its inputs as variables. */
async function action(
  inputs: Readonly<Record<string, string>>,
  checkout = project,
  folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-action-')),
) {
  const step = parse(read('action.yml')).runs.steps[0] as { run: string; env: Record<string, string> };
  const output = join(folder, 'github-output');
  const given: Record<string, string> = {
    ...{ COMMAND: 'move', ARGS: '', STATE_DIR: '.tenant-migrate', PROGRAM: join(project, 'dist/main.js') },
    ...inputs,
  };
  given.ARGS = `${given.ARGS}\n${onlyRedis().join('\n')}`;
  const names = Object.keys(step.env);
  const env = Object.fromEntries(
    names.map((name) => [name, name === 'ACTION_PATH' ? checkout : (given[name.replace('INPUT_', '')] ?? '')]),
  );
  const { code } = await bash(step.run, { ...env, GITHUB_OUTPUT: output, RUNNER_TEMP: folder, CI: 'true' }, folder);
  const lines = readFileSync(output, 'utf8').trimEnd().split('\n');
  const outputs = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2))) as Record<string, string>;
  return { code, outputs, folder };
}

function bash(
  script: string,
  env: Readonly<Record<string, string>> = {},
  cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-bash-')),
): Promise<{ code: number | null; stdout: string }> {
  return new Promise((resolve, reject) => {
    const { PATH = '' } = process.env;
    // The words with which the runner starts a step whose shell is bash.
    const words = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script];
    const child = spawn('bash', words, { cwd, env: { PATH, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout }));
  });
}
