import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type RawFlags, readSettings, skippedStages } from '../../../src/cli/settings.ts';
import type { RunPlan } from '../../../src/report/report.ts';

const read = (flags: RawFlags = {}, env: Record<string, string> = {}, command = 'move') =>
  readSettings({ command, flags, env });

describe('a setting', () => {
  it('comes from the flag, else from the environment, else from the default', async () => {
    const env = { TENANT_MIGRATE_REDIS_PORT: '7000', TENANT_MIGRATE_VERIFY: 'full', TENANT_MIGRATE_YES: '1' };
    expect(await read({}, {})).toMatchObject({ 'redis-port': 6379, verify: 'sample', yes: false });
    expect(await read({}, env)).toMatchObject({ 'redis-port': 7000, verify: 'full', yes: true });
    expect(await read({ 'redis-port': '8000', verify: 'counts', yes: false }, env)).toMatchObject({
      'redis-port': 8000,
      verify: 'counts',
      yes: false,
    });
    expect(await read({ 'redis-port': ['1', '2'] })).toMatchObject({ 'redis-port': 2 });
  });

  it('is unset where its variable is empty', async () => {
    const names = ['ONLY', 'KEY_TEMPLATE', 'REDIS_URL', 'REDIS_HOST', 'QDRANT_FIELD', 'BATCH_SIZE', 'VERIFY', 'YES'];
    const env = Object.fromEntries(names.map((name) => [`TENANT_MIGRATE_${name}`, '']));
    expect(await read({}, env)).toEqual(await read());
    expect(await read({}, { TENANT_MIGRATE_NOT_KNOWN: '' })).toEqual(await read());
  });

  it('of a command that does not take it is passed over in the environment and refused as a flag', async () => {
    expect(await read({}, { TENANT_MIGRATE_OUT: 'x' })).not.toHaveProperty('out', 'x');
    await expect(read({ out: 'x' })).rejects.toThrow('--out does not go with move');
  });

  it('that is a switch is true or false in the environment, and nothing else', async () => {
    for (const [text, value] of [
      ['1', true],
      ['true', true],
      ['0', false],
      ['false', false],
      ['Yes', true],
      ['OFF', false],
    ] as const)
      expect(await read({}, { TENANT_MIGRATE_MERGE: text })).toMatchObject({ merge: value });
    await expect(read({}, { TENANT_MIGRATE_MERGE: 'perhaps' })).rejects.toThrow(
      'TENANT_MIGRATE_MERGE is neither yes nor no',
    );
  });

  it('that is a list is split and trimmed, and refused where it names nothing', async () => {
    const only = ['redis', 'qdrant'];
    expect(await read({ only: 'redis, qdrant,' })).toMatchObject({ only });
    expect(await read({ only: ['redis', ' qdrant'] })).toMatchObject({ only });
    expect(await read({}, { TENANT_MIGRATE_ONLY: ' redis ,,qdrant' })).toMatchObject({ only });
    expect(await read({}, { TENANT_MIGRATE_KEY_TEMPLATE: 'a:{tenant}, b:{tenant}' })).toMatchObject({
      'key-template': ['a:{tenant}', 'b:{tenant}'],
    });
    expect(await read({ 'key-template': ['a:{tenant},x', 'b:{tenant}'] })).toMatchObject({
      'key-template': ['a:{tenant},x', 'b:{tenant}'],
    });
    await expect(read({ only: '' })).rejects.toThrow('--only is empty');
    await expect(read({}, { TENANT_MIGRATE_ONLY: ', ' })).rejects.toThrow('TENANT_MIGRATE_ONLY is empty');
  });

  it('that is a timeout lies between 0.1 and 86400 seconds', async () => {
    expect(await read({ 'connect-timeout': '0.1', 'request-timeout': '86400' })).toMatchObject({
      'connect-timeout': 100,
      'request-timeout': 86_400_000,
    });
    for (const name of ['connect-timeout', 'request-timeout']) {
      for (const value of ['0', '0.09', '86401', '9'.repeat(400)])
        await expect(read({ [name]: value })).rejects.toThrow(`--${name} must be between 0.1 and 86400 seconds`);
      await expect(read({ [name]: '5s' })).rejects.toThrow(`--${name} is not a number of seconds`);
    }
  });

  it('that is a rate, a number of requests or a rule of repetitions is read, or refused with what it may be', async () => {
    const given = {
      rate: '500points/s',
      concurrency: '8',
      retries: '0',
      'retry-delay': '500ms',
      'retry-backoff': '1.5',
    };
    expect(await read(given)).toMatchObject({
      rate: { qdrant: 500 },
      concurrency: 8,
      retries: 0,
      'retry-delay': 500,
      'retry-backoff': 1.5,
      recorded: given,
    });
    for (const [delay, ms] of [
      ['2m', 120_000],
      ['1.5', 1_500],
      ['1s', 1_000],
      ['0', 0],
    ] as const)
      expect(await read({ 'retry-delay': delay })).toMatchObject({ 'retry-delay': ms });
    expect(await read({})).toMatchObject({ retries: 3, 'retry-delay': 1_000, 'retry-backoff': 2 });
    for (const [name, value, why] of [
      ['rate', 'fast', 'is not a rate such as 5000, redis=20000'],
      ['rate', '0', 'is not a rate'],
      ['concurrency', '33', 'must be between 1 and 32'],
      ['retries', '-1', 'is not a whole number'],
      ['retry-delay', 'soon', 'is not a length of time such as 500ms, 1s or 2m'],
      ['retry-delay', '11m', 'must be between 0s and 600s'],
      ['retry-backoff', '0.5', 'must be between 1 and 10'],
    ] as const)
      await expect(read({ [name]: value })).rejects.toThrow(`--${name} ${why}`);
  });

  it('that is a host is a name or an address', async () => {
    for (const name of ['redis-host', 'memgraph-host']) {
      for (const value of ['localhost', 'my_redis', 'redis-1.example.com.', '10.0.0.1', '::1', '[2001:db8::1]'])
        expect(await read({ [name]: value })).toMatchObject({ [name]: value });
      for (const value of [
        'a b',
        'host:6379',
        '[::1',
        'fe80::1%eth0',
        '-a',
        'a..b',
        'http://x',
        'a/b',
        'x'.repeat(254),
      ])
        await expect(read({ [name]: value })).rejects.toThrow(`--${name} is not a host name or an IP address`);
      await expect(read({ [name]: '' })).rejects.toThrow(`--${name} is empty`);
    }
  });

  it('that is an address must have a login that can be read', async () => {
    await expect(read({}, { TENANT_MIGRATE_REDIS_URL: 'redis://:50%off@localhost' })).rejects.toThrow(
      'TENANT_MIGRATE_REDIS_URL holds a % in its user name or password that must be written as %25',
    );
    expect(await read({}, { TENANT_MIGRATE_REDIS_URL: 'redis://:50%25off@localhost' })).toHaveProperty('redis-url');
  });

  it('given as a flag never holds a password, also where a later one replaces it', async () => {
    const flags = { 'redis-url': ['redis://:hunter2@localhost', 'redis://localhost'] };
    await expect(read(flags)).rejects.toThrow('--redis-url holds a user name or password');
  });
});

describe('a secret', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-secrets-'));
  const fileWith = (text: string) => {
    const path = join(folder, String(text.length));
    writeFileSync(path, text);
    return path;
  };
  const secretIn = async (env: Record<string, string>) => (await read({}, env)).secrets.REDIS_PASSWORD;

  it('is taken from the prefixed name before the bare one, and from the value before the file', async () => {
    const bare = { REDIS_PASSWORD: 'bare', REDIS_PASSWORD_FILE: fileWith('bare file\n') };
    const prefixed = { TENANT_MIGRATE_REDIS_PASSWORD_FILE: fileWith('prefixed file \r\n') };
    expect(await secretIn({ ...bare, ...prefixed, TENANT_MIGRATE_REDIS_PASSWORD: 'prefixed' })).toBe('prefixed');
    expect(await secretIn({ ...bare, ...prefixed })).toBe('prefixed file ');
    expect(await secretIn(bare)).toBe('bare');
    expect(await secretIn({ REDIS_PASSWORD_FILE: bare.REDIS_PASSWORD_FILE })).toBe('bare file');
    expect(await secretIn({})).toBeUndefined();
  });

  it('is not hidden by an empty variable', async () => {
    const empty = { TENANT_MIGRATE_REDIS_PASSWORD: '', TENANT_MIGRATE_REDIS_PASSWORD_FILE: '' };
    expect(await secretIn({ ...empty, REDIS_PASSWORD: 'bare' })).toBe('bare');
    expect(await secretIn({ ...empty, REDIS_PASSWORD: '', REDIS_PASSWORD_FILE: fileWith('file') })).toBe('file');
    expect(await secretIn({ ...empty, TENANT_MIGRATE_REDIS_PASSWORD_FILE: fileWith('own file') })).toBe('own file');
    expect(await secretIn(empty)).toBeUndefined();
  });

  it('of the config is kept in the record as a path, never itself', async () => {
    const name = 'TENANT_MIGRATE_CONFIG_SECRETS';
    const json = ' {"llm_config":{"api_key":"sk-live"}}';
    const given = await read({}, { [name]: json });
    expect(given).toHaveProperty('config-secrets', json);
    expect(JSON.stringify(given.recorded)).not.toContain('sk-live');
    expect((await read({}, { [name]: '/etc/secrets.json' })).recorded).toHaveProperty('config-secrets');
  });

  it('that seals others has at least 16 characters, and a shorter one is not shown', async () => {
    const key = 'sixteen letters!';
    expect((await read({}, { TENANT_MIGRATE_ENCRYPTION_KEY: key })).secrets.ENCRYPTION_KEY).toBe(key);
    expect((await read({}, { ENCRYPTION_KEY_FILE: fileWith(key) })).secrets.ENCRYPTION_KEY).toBe(key);
    const failure = await read({}, { ENCRYPTION_KEY: key.slice(1) }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'usage', message: 'ENCRYPTION_KEY has fewer than 16 characters' });
    expect(JSON.stringify(failure)).not.toContain('letters');
  });

  it('whose file cannot be read is refused', async () => {
    await expect(secretIn({ REDIS_PASSWORD_FILE: join(folder, 'nowhere') })).rejects.toThrow(
      'REDIS_PASSWORD_FILE names a file that cannot be read (ENOENT)',
    );
  });
});

describe('the stages that are left out', () => {
  const plan = { stages: [{ stage: 'redis' }, { stage: 'qdrant' }] } as unknown as RunPlan;

  it('are those of --skip-… and --only', async () => {
    expect(skippedStages(await read())).toEqual([]);
    expect(skippedStages(await read({ 'skip-graph': true, 'skip-config': true }))).toEqual(['config', 'graph']);
    expect(skippedStages(await read({ only: 'redis' }))).toEqual(['config', 'qdrant', 'graph']);
    expect(() => skippedStages({ ...plan, only: ['redis'], 'skip-redis': true } as never)).toThrow('leave no stage');
  });

  it('are, with a stored plan, all that it does not hold, and what the flags leave out of it', async () => {
    expect(skippedStages(await read(), plan)).toEqual(['config', 'graph']);
    expect(skippedStages(await read({ only: 'redis' }), plan)).toEqual(['config', 'qdrant', 'graph']);
    const none = await read({ only: 'graph' });
    expect(() => skippedStages(none, plan)).toThrow('leave no stage of the plan, which holds redis, qdrant');
  });
});
