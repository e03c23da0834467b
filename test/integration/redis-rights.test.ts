import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCliHere } from '../support/cli-in-process.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { RedisWorld, redisSettings, renamed, type Snapshot } from '../support/redis-world.ts';

const GUIDE = readFileSync(join(import.meta.dirname, '../../MIGRATION.md'), 'utf8');
const [SOURCE, TARGET, PASSWORD] = ['siraya', 'tenant_76920508', 'a-long-password'];
/** What the guide calls optional: a move of small keys into an empty target does without. */
const OPTIONAL =
  /lock|\+(set|evalsha|eval|pttl|pexpire|del|watch|multi|exec|client\||acl\||ping|time|wait|dump|unlink|memory|getrange|.scan$|xrange|xpending|xinfo.groups)/;

/** The rules of the user whom the guide gives this name, as a server takes them. */
function rulesOf(user: string): readonly string[] {
  const [, line = ''] = new RegExp(`redis-cli ACL SETUSER ${user} ([^\`]*)`).exec(GUIDE) ?? [];
  const words = line.split(/\s+/).filter((word) => word !== '\\' && word !== '');
  return words.map((word) => word.replace(/^'(.*)'$/, '$1'));
}

const needed = rulesOf('migrator').filter((rule) => /^[+%]/.test(rule) && !OPTIONAL.test(rule));
const stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-rights-'));

let world: RedisWorld;
let names: ReadonlyMap<string, string>;
let before: Snapshot;

beforeAll(async () => {
  world = await RedisWorld.start();
  world.moves = [{ source: SOURCE, target: TARGET }];
  names = await seedTenant(world.raw, SOURCE, TARGET);
  await seedNeighbours(world.raw);
  before = await world.snapshot();
});

afterAll(() => world.stop());

async function as(user: string, ...words: string[]) {
  await world.raw.acl('SETUSER', user, 'reset', ...rulesOf(user));
  const env = { REDIS_USERNAME: user, REDIS_PASSWORD: PASSWORD };
  return runCliHere([...words, '--state-dir', stateDir, '--json'], env);
}

test.each(needed)('who lacks %s is told so before anything is written', async (rule) => {
  const rules = rulesOf('migrator').filter((other) => other !== rule);
  await world.raw.acl('SETUSER', 'lacking', 'reset', ...rules);
  const refusal = async () => {
    await world.connect(redisSettings(world.server.port, { username: 'lacking', password: PASSWORD }));
    const problems = await world.preflight({ probe: true });
    if (problems.length === 0) await world.plan({ verify: 'full' });
    return problems.map(({ message }) => message).join('; ');
  };
  const command = rule.startsWith('+') ? `'${rule.slice(1)}'` : 'keys';
  expect(await refusal().catch((error: Error) => error.message)).toMatch(
    new RegExp(`NOPERM.*${command.replace('|', '.')}`),
  );
  expect(await world.snapshot()).toEqual(before);
});

test('the users of the guide plan, move, verify and roll back with the rights that they are given, and no others', async () => {
  const at = ['--only', 'redis', '--redis-port', `${world.server.port}`];
  await world.raw.acl('LOG', 'RESET');
  expect(await as('planner', 'plan', SOURCE, TARGET, ...at)).toMatchObject({ code: 0 });
  const moved = await as('migrator', SOURCE, TARGET, ...at);
  expect(moved, moved.stderr).toMatchObject({ code: 0 });
  expect(await world.snapshot()).toEqual(renamed(before, names));
  expect(await as('planner', 'verify', SOURCE, TARGET, ...at)).toMatchObject({ code: 0 });
  const back = await as('undoer', 'rollback', String(moved.json().runId));
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await world.snapshot()).toEqual(before);
  // Asked in vain: who may not ask is not told what it may do.
  const refused = (await world.raw.acl('LOG')) as unknown[][];
  expect(refused.map((entry) => entry[entry.indexOf('object') + 1])).toEqual(['acl|whoami']);
});
