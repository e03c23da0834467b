import { chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { seedTenant } from '../../scripts/seed.ts';
import { runCli } from '../support/cli.ts';
import { runCliHere } from '../support/cli-in-process.ts';
import { freshCluster } from '../support/redis-cluster.ts';
import { runIds } from '../support/redis-run.ts';
import { startWithSentinel } from '../support/redis-sentinel.ts';
import { freshTlsRedis, KEY_PASSPHRASE, tlsFile } from '../support/redis-tls.ts';
import { hasSshd, makeKey, publicKey, type Sshd, startSshd } from '../support/sshd.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { startTlsFront } from '../support/tls-front.ts';
import { movedWorld, readWorld, worldDifferences } from '../support/world.ts';

const PATH = process.env.PATH ?? '';

describe.skipIf(!hasSshd())('through ssh (skipped where no sshd is installed)', () => {
  let sshd: Sshd;
  let stores: Stores;
  let proxy: TcpProxy;
  let redis: Redis;
  let addresses: string[];
  let [source, target, cwd, stateDir] = ['', '', '', ''];
  const count = async (tenant: string) => (await redis.keys(`${tenant}_*_chunks:*`)).length;
  const seedKeys = (tenant: string) =>
    seedTenant({ tenant, keys: 120, points: {}, nodes: 0, relationships: 0 }, { redisUrl: stores.urls.redisUrl });
  const onlyRedis = () => ['--only', 'redis', '--redis-port', `${stores.redis.port}`];

  beforeAll(async () => {
    [sshd, stores] = await Promise.all([startSshd(), startStores()]);
    proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: stores.redis.port } });
    redis = new Redis(stores.urls.redisUrl);
    const [qdrant, graph, api] = [stores.urls.qdrantUrl, stores.urls.graphUrl, stores.urls.apiUrl];
    const { hostname, port } = new URL(graph);
    addresses = ['--redis-port', `${proxy.port}`, '--qdrant-url', qdrant, '--api-url', api];
    addresses.push('--memgraph-host', hostname, '--memgraph-port', port);
  });
  beforeEach(() => {
    [source, target] = [freshId('siraya'), freshId('tenant')];
    cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-through-'));
    stateDir = join(cwd, '.tenant-migrate');
  });
  afterAll(async () => {
    redis.disconnect();
    await proxy.close();
    await Promise.all([stores.stop(), sshd.stop()]);
  });

  it('a move of all stores is exact though the connection is cut in its middle, and leaves no ssh behind', async () => {
    await stores.seedSmall(source);
    const urls = { ...stores.urls, tenants: [source, target] };
    const before = await readWorld(urls);
    proxy.setLatency(5);
    const cut = async () => {
      while ((await count(target)) < 20) await sleep(5);
      expect(await sshd.cut()).toBe(1);
      proxy.setLatency(0);
    };
    const words = [source, target, '--batch-size', '4', '--json', ...addresses, ...sshd.flags];
    const env = { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source), TMPDIR: cwd };
    const moved = await runCli(words, { cwd, env, onStart: cut });
    expect(moved, moved.stderr).toMatchObject({ code: 0 });
    expect(moved.stderr).toMatch(/tunnel through .* has dropped[^\n]*trying again[\s\S]*stands again/);
    expect(moved.json()).toMatchObject({ outcome: 'done', exitCode: 0 });
    const after = await readWorld(urls);
    const expected = new Map(movedWorld(before, source, target));
    expected.set(`config ${target}`, after.get(`config ${target}`) ?? 'missing');
    expect(worldDifferences(expected, after)).toEqual([]);
    // Each of the stores was reached through the server, and is known to the record as it is seen from there.
    const record = JSON.parse(readFileSync(join(stateDir, 'runs', runIds(stateDir)[0] ?? '', 'run.json'), 'utf8'));
    for (const url of [`redis://x:${proxy.port}`, ...Object.values(stores.urls).slice(1)]) {
      expect(sshd.log()).toContain(`target 127.0.0.1 port ${new URL(url).port}`);
    }
    expect(record.stores.redis).toBe(`via ${sshd.target}: 127.0.0.1:${proxy.port}/0`);
    expect(record.stores.qdrant).toBe(`via ${sshd.target}: ${stores.urls.qdrantUrl}`);
    expect(record.settings).toMatchObject({ ssh: sshd.target, 'ssh-identity': sshd.identity });
    expect(readdirSync(cwd).filter((name) => name.startsWith('tenant-migrate-ssh-'))).toEqual([]);
    await untilNoConnection();
  }, 120_000);

  it('killed, it takes its ssh along; resume and rollback need no flags and find the servers through new tunnels', async () => {
    await seedKeys(source);
    const all = await count(source);
    proxy.setLatency(5);
    const words = [source, target, '--only', 'redis', '--batch-size', '2', '--redis-port', `${proxy.port}`];
    const killed = await runCli([...words, ...sshd.flags], {
      cwd,
      env: { TMPDIR: cwd },
      onStart: async (kill) => {
        while ((await count(target)) < 20) await sleep(5);
        kill('SIGKILL');
      },
    });
    expect(killed.code).toBe(-1);
    proxy.setLatency(0);
    await untilNoConnection();
    expect(readdirSync(cwd).filter((name) => name.startsWith('tenant-migrate-ssh-'))).toEqual([]);
    const resumed = await runCliHere(['resume', '--state-dir', stateDir], { PATH });
    expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
    expect([await count(source), await count(target)]).toEqual([0, all]);
    // The same address seen from somewhere else is another server.
    const elsewhere = await runCliHere(['rollback', ...runIds(stateDir), '--ssh', 'none', '--state-dir', stateDir]);
    expect(elsewhere, elsewhere.stderr).toMatchObject({ code: 5 });
    const back = await runCliHere(['rollback', ...runIds(stateDir), '--state-dir', stateDir], { PATH });
    expect(back, back.stderr).toMatchObject({ code: 0 });
    expect(await count(source)).toBe(all);
  });

  it('a link that stays away ends the run with exit 4, and resume finishes it', async () => {
    await seedKeys(source);
    const all = await count(source);
    proxy.setLatency(5);
    const words = [source, target, '--only', 'redis', '--batch-size', '2', '--redis-port', `${proxy.port}`];
    const broken = await runCli([...words, ...sshd.flags, '--ssh-timeout', '5'], {
      cwd,
      onStart: async () => {
        while ((await count(target)) < 20) await sleep(5);
        await sshd.pause();
      },
    });
    expect(broken, broken.stderr).toMatchObject({ code: 4 });
    expect(broken.stderr).toMatch(/the tunnel is given up: no tunnel through .*cannot be reached/);
    proxy.setLatency(0);
    await sshd.resume();
    const resumed = await runCliHere(['resume', '--state-dir', stateDir], { PATH });
    expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
    expect([await count(source), await count(target)]).toEqual([0, all]);
  });

  it('a jump host leads to a server behind it, with keys and known hosts of ssh’s own config', async () => {
    const jump = await startSshd();
    onTestFinished(() => jump.stop());
    await seedKeys(source);
    const hosts = [sshd, jump].map((one) => readFileSync(one.at('known_hosts'), 'utf8')).join('');
    writeFileSync(join(cwd, 'hosts'), hosts);
    const keys = `IdentityFile ${sshd.identity}\nIdentityFile ${jump.identity}\nIdentityAgent none\n`;
    const alias = `Host behind\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  User ${sshd.user}\n  LocalForward ${jump.port} localhost:1\n`;
    writeFileSync(join(cwd, 'config'), `UserKnownHostsFile ${join(cwd, 'hosts')}\n${keys}${alias}`);
    const words = ['plan', source, target, ...onlyRedis(), '--ssh', 'behind', '--ssh-jump', jump.target];
    const planned = await runCliHere([...words, '--ssh-config', join(cwd, 'config'), '--state-dir', stateDir], {
      PATH,
    });
    expect(planned, planned.stderr).toMatchObject({ code: 0 });
    expect(jump.log()).toContain(`target 127.0.0.1 port ${sshd.port}`);
  });

  it('the nodes of a cluster, and the master that a sentinel names, are reached through the tunnel too', async () => {
    const [cluster, servers] = await Promise.all([freshCluster(), startWithSentinel()]);
    onTestFinished(async () => {
      await Promise.all([cluster.stop(), servers.stop()]);
    });
    const client = new Cluster([{ host: '127.0.0.1', port: cluster.port }]);
    for (let n = 0; n < 60; n += 1) await client.set(`acme_text_chunks:${n}`, `${n}`);
    await servers.first.set('acme_text_chunks:1', '1');
    const words = ['move', 'acme', 'tenant_7', '--only', 'redis', ...sshd.flags];
    const ports = [...cluster.nodes.map(({ port }) => port), servers.sentinelPort, servers.master.port];
    const run = (more: readonly string[], dir: string) => runCliHere([...words, ...more, '--state-dir', dir], { PATH });
    const inCluster = await run(['--redis-port', `${cluster.port}`], join(cwd, 'cluster'));
    expect(inCluster, inCluster.stderr).toMatchObject({ code: 0 });
    const keys = await Promise.all(client.nodes('master').map((node) => node.keys('*_text_chunks:*')));
    client.disconnect();
    expect(keys.flat().filter((key) => key.startsWith('tenant_7_'))).toHaveLength(60);
    const bySentinel = await run(servers.flags.slice(2), join(cwd, 'sentinel'));
    expect(bySentinel, bySentinel.stderr).toMatchObject({ code: 0 });
    expect(await servers.first.keys('*_text_chunks:*')).toEqual(['tenant_7_text_chunks:1']);
    for (const port of ports) expect(sshd.log()).toContain(`target 127.0.0.1 port ${port}`);
  });

  it('doctor looks through the tunnel', async () => {
    const words = ['doctor', '--json', ...addresses, ...sshd.flags, '--state-dir', stateDir];
    const looked = await runCliHere(words, { PATH });
    const { checks, stores: seen } = looked.json() as unknown as {
      checks: { area: string; level: string }[];
      stores: Record<string, string>;
    };
    expect(seen.qdrant).toBe(`via ${sshd.target}: ${stores.urls.qdrantUrl}`);
    for (const area of ['config', 'redis', 'qdrant', 'graph']) {
      expect(
        checks.some((check) => check.area === area && check.level === 'ok'),
        `${area}: ${looked.stdout}`,
      ).toBe(true);
    }
  });

  describe('TLS is checked under the name that the store was given, not that of the local port', () => {
    const env = { PATH, REDIS_KEY_PASSPHRASE: KEY_PASSPHRASE };
    const plan = ['plan', 'acme', 'tenant_7'];

    it('by Redis’ driver', async () => {
      const server = await freshTlsRedis();
      onTestFinished(() => server.stop());
      const certificate = ['--redis-cert', tlsFile('client.crt'), '--redis-key', tlsFile('client.key')];
      const flags = [...plan, '--only', 'redis', '--redis-ca', tlsFile('ca.crt'), ...certificate, ...sshd.flags];
      const through = (host: string) =>
        runCliHere([...flags, '--redis-url', `rediss://${host}:${server.tlsPort}`], env);
      // Nothing is there to be moved: that far it comes.
      expect(`${(await through('127.0.0.1')).stdout}`).toMatch(/neither|no store|nothing/i);
      const other = await through('localhost');
      expect(other).toMatchObject({ code: 5 });
      expect(`${other.stdout}${other.stderr}`).toMatch(/localhost[\s\S]*--redis-tls-servername/);
    });

    it('by the tunnel’s own end, for HTTPS and Bolt', async () => {
      const qdrant = await startTlsFront(Number(new URL(stores.urls.qdrantUrl).port));
      const graph = await startTlsFront(Number(new URL(stores.urls.graphUrl).port));
      onTestFinished(async () => {
        await Promise.all([qdrant.close(), graph.close()]);
      });
      await stores.seedSmall(source);
      const trust = { NODE_EXTRA_CA_CERTS: tlsFile('ca.crt') };
      const through = (host: string) =>
        runCli(
          ['plan', source, target, '--only', 'qdrant,graph', '--qdrant-url', `https://${host}:${qdrant.port}`].concat(
            ['--graph-url', `bolt+s://127.0.0.1:${graph.port}`],
            sshd.flags,
          ),
          { env: trust },
        );
      const [good, bad] = await Promise.all([through('127.0.0.1'), through('localhost')]);
      expect(good, good.stderr).toMatchObject({ code: 0 });
      expect(good.stdout).toMatch(/found 52 points[\s\S]*found 30 nodes/);
      expect(bad).toMatchObject({ code: 5, stderr: expect.stringMatching(/Qdrant at localhost.*altnames/) });
    });
  });

  it('a backup is made and restored, and a list moved, through the tunnel', async () => {
    await seedKeys(source);
    const all = await count(source);
    const words = ['--only', 'redis', '--redis-port', `${stores.redis.port}`, ...sshd.flags, '--state-dir', stateDir];
    const made = await runCliHere(['backup', 'create', source, '--json', ...words], { PATH });
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const { backup } = JSON.parse(made.stdout) as { backup: { id: string } };
    await redis.del(await redis.keys(`${source}_*_chunks:*`));
    const restored = await runCliHere(['backup', 'restore', backup.id, ...words], { PATH });
    expect(restored, restored.stderr).toMatchObject({ code: 0 });
    expect(await count(source)).toBe(all);
    const list = join(cwd, 'list.csv');
    writeFileSync(list, `source,target\n${source},${target}\n${target},${target}_b\n`);
    await seedKeys(target);
    const moved = await runCliHere(['move', '--map', list, ...words], { PATH });
    expect(moved, moved.stderr).toMatchObject({ code: 0 });
    expect([await count(source), await count(target), await count(`${target}_b`)]).toEqual([0, all * 2, all]);
    const back = await runCliHere(['rollback', '--state-dir', stateDir, ...readdirSync(join(stateDir, 'maps'))], {
      PATH,
    });
    expect(back, back.stderr).toMatchObject({ code: 0 });
    expect(await count(source)).toBe(all);
  });

  it('a config that puts ssh into the background leaves none behind, and an ssh too old to know of that still works', async () => {
    await seedKeys(source);
    const [config, bin] = [join(cwd, 'config'), join(cwd, 'ssh')];
    writeFileSync(config, `${readFileSync(sshd.config, 'utf8')}ForkAfterAuthentication yes\n`);
    const tooOld = "echo 'command-line: line 0: Bad configuration option: forkafterauthentication' >&2; exit 255";
    const script = `case "$*" in *ForkAfter*) ${tooOld};; esac\nPATH='${PATH}' exec ssh "$@"`;
    writeFileSync(bin, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const plan = ['plan', source, target, ...onlyRedis(), '--ssh', sshd.target, '--ssh-identity', sshd.identity];
    for (const [file, path] of [
      [config, PATH],
      [sshd.config, `${cwd}:${PATH}`],
    ]) {
      const planned = await runCliHere([...plan, '--ssh-config', file ?? ''], { PATH: path ?? '' });
      expect(planned, planned.stderr).toMatchObject({ code: 0 });
      expect(planned.stderr).not.toContain('dropped');
      await vi.waitFor(async () => expect(await sshd.connections()).toBe(0), 2_000);
    }
  });

  it('a server that forbids forwards is told apart from a store that is not there', async () => {
    const strict = await startSshd(['AllowTcpForwarding no']);
    onTestFinished(() => strict.stop());
    const refused = await runCliHere(['move', 'acme', 'tenant_7', ...onlyRedis(), ...strict.flags], { PATH });
    expect(refused).toMatchObject({ code: 5, stderr: expect.stringMatching(/prohibited[\s\S]*AllowTcpForwarding/) });
  });

  describe('is refused before any write, with what to do:', () => {
    let silent: Server;
    beforeAll(async () => {
      silent = createServer((socket) => void socket.resume().on('error', () => undefined)).listen(0, '127.0.0.1');
      await new Promise((resolve) => silent.once('listening', resolve));
    });
    afterAll(() => new Promise((resolve) => silent.close(resolve)));

    interface Wrong {
      readonly what: string;
      readonly flags: () => readonly string[];
      readonly code?: number;
      readonly env?: Readonly<Record<string, string>>;
      readonly says: RegExp;
    }
    const config = (text: string) => {
      const path = join(cwd, 'config');
      writeFileSync(path, text);
      return ['--ssh', sshd.target, '--ssh-identity', sshd.identity, '--ssh-config', path];
    };
    const known = (text: string) => {
      writeFileSync(join(cwd, 'hosts'), text);
      return config(`UserKnownHostsFile ${join(cwd, 'hosts')}\nGlobalKnownHostsFile none\n`);
    };
    const key = (name: string) => {
      makeKey(join(cwd, name));
      return join(cwd, name);
    };
    const withKey = (path: string) => ['--ssh', sshd.target, '--ssh-identity', path, '--ssh-config', sshd.config];
    const portOf = (server: Server) => (server.address() as { port: number }).port;
    const WRONG: readonly Wrong[] = [
      {
        what: 'a host key that is not known',
        flags: () => known(''),
        says: /host key is not known[\s\S]*compare the fingerprint.*: ssh -F .*-p \d+ \w+@127\.0\.0\.1/,
      },
      {
        what: 'a host key that has changed',
        flags: () => known(`[127.0.0.1]:${sshd.port} ${publicKey(key('other'))}\n`),
        says: /not the one that known_hosts holds[\s\S]*SHA256:[\s\S]*find out why/,
      },
      {
        what: 'a key that the server does not take',
        flags: () => withKey(key('stranger')),
        says: /refused the login .*Permission denied \(publickey\)[\s\S]*ssh-add/,
      },
      {
        what: 'a key file that is not there',
        flags: () => withKey('/nowhere/key'),
        code: 64,
        says: /--ssh-identity \/nowhere\/key cannot be read \(ENOENT\)/,
      },
      {
        what: 'a key file that others can read',
        flags: () => {
          copyFileSync(sshd.identity, join(cwd, 'open'));
          chmodSync(join(cwd, 'open'), 0o644);
          return withKey(join(cwd, 'open'));
        },
        says: /can be read by others[\s\S]*chmod 600/,
      },
      {
        what: 'no ssh on this machine',
        flags: () => sshd.flags,
        env: { PATH: '/nowhere' },
        says: /no ssh on this machine/,
      },
      {
        what: 'a port where nobody listens',
        flags: () => ['--ssh', '127.0.0.1:1', '--ssh-config', sshd.config],
        says: /cannot be reached \(ssh: .*Connection refused/,
      },
      {
        what: 'a name that nobody has',
        flags: () => ['--ssh', 'nobody.invalid', '--ssh-config', sshd.config],
        says: /no address[\s\S]*correct --ssh/,
      },
      {
        what: 'a host that says nothing',
        flags: () => ['--ssh', `127.0.0.1:${portOf(silent)}`, '--ssh-config', sshd.config, '--ssh-timeout', '1'],
        says: /(not ready within 1 s|cannot be reached)/,
      },
      {
        what: 'a config that ssh cannot read',
        flags: () => config('Nonsense yes\n'),
        code: 78,
        says: /cannot use its config .*Nonsense[\s\S]*--ssh-config/i,
      },
      {
        what: 'a store that does not answer there',
        flags: () => [...sshd.flags, '--redis-port', '1'],
        says: /Redis at 127\.0\.0\.1:1, as seen from .*: connect failed: Connection refused[\s\S]*--skip-redis/,
      },
      {
        what: 'a store that says nothing there',
        flags: () => [...sshd.flags, '--redis-port', `${portOf(silent)}`, '--ssh-timeout', '1'],
        says: /Redis at .*no answer within 1 s/,
      },
      {
        what: 'a graph that names other servers',
        flags: () => [...sshd.flags, '--only', 'graph', '--graph-url', 'neo4j://db:7687'],
        code: 64,
        says: /does not go through --ssh[\s\S]*bolt:\/\/db:7687/,
      },
      {
        what: 'an option in the place of a host',
        flags: () => ['--ssh=-oProxyCommand=id'],
        code: 64,
        says: /--ssh is not \[user@\]host/,
      },
      {
        what: 'a key without a tunnel',
        flags: () => ['--ssh-identity', sshd.identity],
        code: 64,
        says: /without --ssh/,
      },
    ];

    it.each(WRONG)('$what', async ({ flags, code = 5, env = { PATH }, says }) => {
      const words = ['move', 'acme', 'tenant_7', ...onlyRedis(), '--state-dir', stateDir, ...flags()];
      const refused = await runCliHere(words, env);
      expect(`${refused.stdout}${refused.stderr}`).toMatch(says);
      expect(refused).toMatchObject({ code });
      expect(existsSync(stateDir)).toBe(false);
    });
  });

  async function untilNoConnection(): Promise<void> {
    for (const end = Date.now() + 5_000; (await sshd.connections()) > 0; await sleep(20)) {
      if (Date.now() > end) throw new Error('an ssh is still connected');
    }
  }
});
