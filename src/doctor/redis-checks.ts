import { DRAGONFLY_HEADROOM, isShortForRenames } from '../model/dragonfly-headroom.ts';
import type { Check } from '../report/doctor-report.ts';
import type { RedisHealth, RedisNodeHealth } from '../stores/redis/redis-health.ts';
import { check, clockCheck, majorMinor, mebibytes } from './common-checks.ts';

/** Above this share of maxmemory a server is called full. */
const FULL_SHARE = 0.9;
const RIGHTS = 'give the user these commands (MIGRATION.md, "Rights")';

/** What a move does without a command that it can do without. */
const LOST: readonly { readonly commands: readonly string[]; readonly without: string }[] = [
  { commands: ['dump', 'unlink'], without: 'no merging, copying or types of modules' },
  { commands: ['memory usage'], without: 'large values are read more slowly' },
  { commands: ['set', 'pexpire', 'del', 'watch', 'multi', 'exec'], without: 'no lock that other machines see' },
  { commands: ['client list'], without: 'after a lost connection --settle is waited' },
];

/** What a Redis, Valkey or Dragonfly says about itself, judged. */
export function redisChecks(health: RedisHealth): readonly Check[] {
  const { server, nodes, skewMs, held } = health;
  return [
    versionCheck(health),
    ...roleChecks(health),
    ...modeChecks(health),
    ...nodes.flatMap((node) => memoryChecks(node, nodes.length > 1)),
    ...nodes.flatMap((node) => persistenceChecks(node, nodes.length > 1)),
    ...replicaChecks(health),
    ...clockCheck('redis', skewMs),
    ...rightsChecks(health),
    ...held.map(({ tenant, ttlMs }) => {
      const left = Number.isFinite(ttlMs) ? `ends in ${Math.ceil(ttlMs / 1_000)} s unless renewed` : 'never ends';
      const fix = 'wait until that run ends; --force-unlock takes it away where its process is surely gone';
      return check('redis', 'lock', 'warning', `tenant ${tenant} is locked by a run: its lease ${left}`, fix);
    }),
    ...(server.migratingSlots === 0 ? [] : [migrating(server.migratingSlots)]),
  ];
}

function versionCheck({ server }: RedisHealth): Check {
  const { product, version } = server;
  const name = { redis: 'Redis', valkey: 'Valkey', dragonfly: 'Dragonfly' }[product];
  const text = `${name} ${version}`;
  if (product === 'dragonfly') {
    const fix = 'begin with --dry-run, and with a tenant that matters less';
    return check('redis', 'version', 'warning', `${text}: provided for, but not among the tested servers`, fix);
  }
  const [major] = majorMinor(version);
  if (product === 'redis' && major < 6) {
    return check('redis', 'version', 'warning', `${text}: older than any that is tested`, 'use Redis 6.2 or later');
  }
  const tested = product === 'valkey' ? major === 8 : major === 7;
  return check('redis', 'version', 'ok', tested ? text : `${text} (tested: Redis 7.0, Valkey 8)`);
}

function roleChecks({ server }: RedisHealth): readonly Check[] {
  const checks: Check[] = [];
  if (server.loading)
    checks.push(check('redis', 'state', 'error', 'it is still loading its data', 'wait until it is ready'));
  const role = server.cluster ? `cluster of ${server.masters} masters` : server.role;
  if (server.role !== 'master') {
    const fix = 'give --redis-host and --redis-port of the master';
    checks.push(check('redis', 'role', 'error', `${role}: it refuses writes`, fix));
  } else if (server.down !== undefined) {
    checks.push(check('redis', 'role', 'error', `${role}: ${server.down}`, 'mend the cluster first'));
  } else if (server.cluster && server.product !== 'dragonfly') {
    checks.push(check('redis', 'role', 'ok', `${role}: keys that change their slot are copied`));
  } else checks.push(check('redis', 'role', 'ok', role));
  return checks;
}

/** How keys will be moved, where that is not by renaming them. */
function modeChecks({ server }: RedisHealth): readonly Check[] {
  if (server.product !== 'dragonfly') return [];
  const { usedMemory, maxMemory } = server;
  const free = maxMemory === 0 ? 'it tells no limit' : `${Math.round((1 - usedMemory / maxMemory) * 100)} % are free`;
  const text = `keys are copied, compared and removed, since a rename that runs out of memory loses the key; ${free}`;
  const needed = `${DRAGONFLY_HEADROOM * 100} %`;
  if (!isShortForRenames(server)) {
    return [check('redis', 'mode', 'ok', `${text}, --redis-mode rename needs ${needed}`)];
  }
  const fix = `free memory or raise maxmemory: copied keys take theirs twice until the end, and --redis-mode rename needs ${needed}`;
  return [check('redis', 'mode', 'warning', text, fix)];
}

function memoryChecks(node: RedisNodeHealth, several: boolean): readonly Check[] {
  const { usedMemory, maxMemory, policy, evictedKeys } = node;
  const at = several ? `${node.address}: ` : '';
  const used = mebibytes(usedMemory);
  if (maxMemory === 0) return [check('redis', 'memory', 'ok', `${at}${used} used, no limit`)];
  const share = usedMemory / maxMemory;
  const text = `${at}${used} of ${mebibytes(maxMemory)} used (${Math.round(share * 100)} %), ${policy || 'policy unknown'}`;
  const evicts = policy !== '' && policy !== 'noeviction';
  if (evicts && (share > FULL_SHARE || evictedKeys > 0)) {
    const fix =
      'raise maxmemory, or set maxmemory-policy noeviction during the move: an evicted key cannot be brought back';
    return [check('redis', 'memory', 'error', `${text}: it evicts keys (${evictedKeys} so far), a tenant’s too`, fix)];
  }
  if (evicts) {
    const fix = 'set maxmemory-policy noeviction during the move, or watch that memory stays below the limit';
    return [check('redis', 'memory', 'warning', `${text}: when it is full it evicts keys, a tenant’s too`, fix)];
  }
  if (share > FULL_SHARE) {
    const fix =
      'renames need no memory, copies do: free some or raise maxmemory before a move in a cluster or a Dragonfly';
    return [check('redis', 'memory', 'warning', text, fix)];
  }
  return [check('redis', 'memory', 'ok', text)];
}

function persistenceChecks(node: RedisNodeHealth, several: boolean): readonly Check[] {
  const at = several ? `${node.address}: ` : '';
  if (node.saveFailed) {
    const fix = 'mend its disk (its log says why): until then it may refuse writes with MISCONF';
    return [check('redis', 'persistence', 'error', `${at}its last save failed`, fix)];
  }
  if (node.aof) return [check('redis', 'persistence', 'ok', `${at}append-only file on`)];
  const text = `${at}append-only file off: a crash loses what came after the last snapshot`;
  return [
    check('redis', 'persistence', 'warning', text, 'set appendonly yes, or type BGSAVE before and after the move'),
  ];
}

function replicaChecks({ nodes }: RedisHealth): readonly Check[] {
  const replicas = nodes.reduce((sum, node) => sum + node.replicas, 0);
  const behind = nodes.reduce((sum, node) => sum + node.replicasBehind, 0);
  if (replicas === 0 && behind === 0) return [];
  if (behind === 0) return [check('redis', 'replicas', 'ok', `${replicas} connected`)];
  const fix = 'wait until they are in step: what has not reached them is lost in a failover, and is then moved again';
  return [check('redis', 'replicas', 'warning', `${replicas} connected, ${behind} of them not in step`, fix)];
}

function rightsChecks({ rights }: RedisHealth): readonly Check[] {
  const { user, told, missing, missed } = rights;
  const who = user === undefined ? 'this user' : `user ${user}`;
  const checks: Check[] = [];
  if (missing.length > 0)
    checks.push(check('redis', 'commands', 'error', `${who} may not run ${missing.join(', ')}`, RIGHTS));
  if (missed.length > 0) {
    const lost = LOST.filter(({ commands }) => commands.some((command) => missed.includes(command)));
    const text = `${who} may not run ${missed.join(', ')}: ${lost.map(({ without }) => without).join('; ')}`;
    checks.push(check('redis', 'commands', 'warning', text, `if that is not meant, ${RIGHTS}`));
  }
  if (!told) {
    const text = `${who} may not ask for its rights: commands that write were not judged`;
    checks.push(
      check(
        'redis',
        'commands',
        'unchecked',
        text,
        'allow +acl|whoami +acl|dryrun, or use doctor <source> <target> --probe-writes',
      ),
    );
  }
  return checks.length > 0 ? checks : [check('redis', 'commands', 'ok', `${who} may run all that a move sends`)];
}

function migrating(slots: number): Check {
  const text = `${slots} slots are on their way between masters`;
  return check('redis', 'slots', 'warning', text, 'wait until that has ended: the move works meanwhile, but slower');
}
