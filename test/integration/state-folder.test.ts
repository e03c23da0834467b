import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { copyOf, type RedisRun, runIds, startRedisRun } from '../support/redis-run.ts';

let world: RedisRun;

beforeAll(async () => {
  world = await startRedisRun({ keys: 120 });
});
afterAll(() => world.stop());

/** Every name below a folder, links not followed: its kind and mode. */
function below(folder: string): readonly { readonly name: string; readonly kind: string; readonly mode: string }[] {
  return [folder, ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))].map(
    (path) => {
      const found = lstatSync(path);
      const kind = found.isDirectory() ? 'folder' : found.isSocket() ? 'socket' : found.isFile() ? 'file' : 'other';
      return { name: path.slice(folder.length + 1), kind, mode: (found.mode & 0o777).toString(8) };
    },
  );
}

/** Of all but what runs leave: a world's keys, and the files of a folder. */
const contents = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => lstatSync(path).isFile())
    .map((path) => [path, readFileSync(path, 'latin1')]);

it('whatever the umask, all that a run, a list, a backup and their logs leave is their owner’s alone, also while one works', async () => {
  const umask = process.umask(0);
  try {
    const log = join(world.cwd, 'run.log');
    const move = await world.hold(world.moveWords(['--backup', '--log-file', log]));
    expect(below(world.stateDir).filter(({ kind }) => kind === 'socket')).toHaveLength(1);
    expect(below(world.stateDir).filter(({ mode, kind }) => mode !== (kind === 'folder' ? '700' : '600'))).toEqual([]);
    world.proxy.hang(false);
    expect((await move.ended).code).toBe(0);
    writeFileSync(join(world.cwd, 'list.csv'), 'source,target\ntenant_7,acme\nacme_eu,tenant_7\n');
    const list = await world.run(['move', '--map', join(world.cwd, 'list.csv'), ...world.flags]);
    expect(list.code, list.stderr).toBe(0);
    const plan = join(world.cwd, 'plan.json');
    const planned = await world.run(['plan', 'acme', 'tenant_8', ...world.flags, '--out', plan]);
    expect(planned.code, planned.stderr).toBe(0);

    const all = below(world.stateDir);
    for (const part of ['runs', 'maps', 'locks', 'backups']) expect(all.map(({ name }) => name)).toContain(part);
    for (const name of ['run.json', 'map.json', 'journal.ndjson', 'report.html', 'tenants.csv', 'manifest.json'])
      expect(
        all.some((one) => basename(one.name) === name),
        name,
      ).toBe(true);
    expect(all.filter(({ mode, kind }) => mode !== (kind === 'folder' ? '700' : '600'))).toEqual([]);
    for (const file of [log, plan]) expect((lstatSync(file).mode & 0o777).toString(8)).toBe('600');
    const back = readdirSync(join(world.stateDir, 'maps'))[0] ?? '';
    expect((await world.run(['rollback', back])).code).toBe(0);
    expect((await world.run(['tenant_7', 'acme', ...world.flags])).code).toBe(0);
  } finally {
    process.umask(umask);
  }
});

it('a link in the place of anything that is a run’s is refused before any write, and nothing goes through it', async () => {
  const id = await world.killed();
  const half = await world.world();
  const elsewhere = mkdtempSync(join(tmpdir(), 'tenant-migrate-elsewhere-'));
  const places = [
    ...['runs', 'locks', 'backups', 'maps', `runs/${id}`, `runs/${id}/undo`],
    ...['journal.ndjson', 'run.json', 'plan.json', 'undo/redis.ndjson.gz'].map((name) => `runs/${id}/${name}`),
    ...['report.json', 'report.html.new', 'run.json.new', 'control.sock'].map((name) => `runs/${id}/${name}`),
  ];
  for (const [index, place] of places.entries()) {
    const copy = copyOf(world.stateDir);
    const there = join(copy, place);
    const aside = join(elsewhere, String(index));
    // What stood there still works, but from where the link leads.
    if (existsSync(there)) renameSync(there, aside);
    else if (place.includes('.')) writeFileSync(aside, 'mine');
    else mkdirSync(aside);
    symlinkSync(aside, there);
    const before = contents(elsewhere);
    const backup = ['backup', 'create', 'acme', ...world.flags];
    for (const words of place === 'backups'
      ? [backup]
      : [['resume', id], ...(index % 4 === 0 ? [['rollback', id]] : [])]) {
      const { code, stdout, stderr } = await world.run([...words, '--state-dir', copy]);
      expect(`${place}: ${stdout}${stderr}`).toContain(`${join(copy, place)} is a symbolic link`);
      expect(`${place}: ${code}`).toBe(`${place}: 78`);
    }
    expect(contents(elsewhere), place).toEqual(before);
  }
  expect(await world.world()).toEqual(half);

  // The folder that the user names may be a link; one that only lies at the default place may not.
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-linked-'));
  symlinkSync(world.stateDir, join(cwd, '.tenant-migrate'));
  const unnamed = await world.run(['resume'], { cwd });
  expect(unnamed.stdout + unnamed.stderr).toMatch(/\.tenant-migrate is a symbolic link[\s\S]*--state-dir/);
  expect(unnamed.code).toBe(78);
  const named = await world.run(['resume', '--state-dir', join(cwd, '.tenant-migrate')]);
  expect(named.code, named.stderr).toBe(0);
  expect((await world.run(['tenant_7', 'acme', ...world.flags])).code).toBe(0);
});

it('a state folder in which every user may write is told of; a run or a backup in another user’s is refused', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-open-'));
  chmodSync(stateDir, 0o777);
  const { code, stderr } = await world.run(['acme', 'tenant_9', ...world.flags, '--state-dir', stateDir]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/every user of this machine can write into the state folder .*chmod o-w/);
  // Only root can give a folder away.
  if (process.getuid?.() !== 0) return;
  chmodSync(stateDir, 0o700);
  for (const [folder, words] of [
    [stateDir, ['tenant_9', 'acme', ...world.flags]],
    [join(stateDir, 'runs'), ['tenant_9', 'acme', ...world.flags]],
    [join(stateDir, 'runs', runIds(stateDir)[0] ?? ''), ['status']],
    [join(stateDir, 'locks'), ['backup', 'create', 'tenant_9', ...world.flags]],
  ] as const) {
    chownSync(folder, 65_534, 65_534);
    const refused = await world.run([...words, '--state-dir', stateDir]);
    expect(refused.stdout + refused.stderr).toContain(`${folder} belongs to another user`);
    expect(refused.code).toBe(78);
    chownSync(folder, 0, 0);
  }
});
