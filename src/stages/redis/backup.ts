import { type ByteString, fromText, printable, toJson } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import { KeyClaims, parseKeyTemplate } from '../../model/key-template.ts';
import type { Move } from '../../model/move.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { DumpedKey, RedisReader, RedisWriter } from '../../stores/redis/redis-store.ts';
import { RestoreTally } from '../restore-tally.ts';
import type {
  BackupBatch,
  BackupLine,
  BackupPart,
  PlanContext,
  RestoreContext,
  RestoreLook,
  StageBackup,
} from '../stage.ts';
import { scanCount } from './plan.ts';
import { Repeats } from './repeats.ts';
import { TenantKeys } from './tenant-keys.ts';
import type { RedisUndoEntry, ValuesEntry } from './undo-entry.ts';
import { ValueRules } from './value-rules.ts';

/** Keys that are weighed together. */
const KEYS_AT_ONCE = 500;
/** Dumps that are in memory together; a larger one is read alone. */
const BYTES_AT_ONCE = 16 << 20;
/** A longer dump does not fit one line: as base64 a string holds half a gigabyte at most. */
const LARGEST_DUMP = 256 << 20;
const KEYS_IN_AN_ENTRY = 1_000;

/** One key as a backup has it. */
interface KeyRecord {
  readonly key: ByteString;
  readonly type: string;
  /** Absolute ms, or -1. */
  readonly expiresAt: number;
  /** Of the content, in a form that does not depend on how the server encodes it. */
  readonly digest: string;
  readonly payload: Buffer;
}

/** Every key that the profile's templates claim, as DUMP gives it, with its absolute expiry. */
export const redisBackup: StageBackup<RedisReader, RedisWriter> = {
  read: readKeys,
  compare: compareKeys,
  restore: restoreKeys,
  undoEntries: undoEntriesOf,
};

async function* readKeys(tenant: string, ctx: PlanContext<RedisReader>): AsyncGenerator<BackupBatch> {
  let batch: ByteString[] = [];
  const notKept = new Set<string>();
  for await (const { own, config } of ownKeys(tenant, ctx)) {
    for (const key of config) notKept.add(`the key ${printable(key)}: it is the config record, which has its own part`);
    for (const key of own) {
      batch.push(key);
      if (batch.length < KEYS_AT_ONCE) continue;
      yield* dumped(batch, ctx);
      batch = [];
    }
  }
  yield* dumped(batch, ctx);
  yield { lines: [], notKept: [...notKept] };
}

async function* ownKeys(tenant: string, ctx: PlanContext<RedisReader>) {
  const configTemplates = new Set(ctx.profile.configKeyTemplates);
  const templates = [...ctx.profile.keyTemplates, ...configTemplates].map(parseKeyTemplate);
  const claims = new KeyClaims(templates, [fromText(tenant)]);
  const repeats = new Repeats();
  for await (const page of ctx.store.scan(scanCount(await ctx.store.roundTripMs()))) {
    ctx.signal.throwIfAborted();
    repeats.nextPage();
    const own: ByteString[] = [];
    const config: ByteString[] = [];
    for (const key of page) {
      const claim = claims.of(key);
      if (claim === undefined || repeats.has(key)) continue;
      if (configTemplates.has(claim.template.text)) config.push(key);
      else own.push(key);
    }
    yield { own, config };
  }
}

/** Keys that went meanwhile are left out. */
async function* dumped(keys: readonly ByteString[], ctx: PlanContext<RedisReader>): AsyncGenerator<BackupBatch> {
  if (keys.length === 0) return;
  const sizes = await ctx.store.sizes(keys);
  for (const group of grouped(keys, sizes)) {
    ctx.signal.throwIfAborted();
    const fingerprints = await ctx.store.fingerprints(group);
    const dumps = await ctx.store.dumps(group);
    const lines = group.flatMap((key, index): BackupLine[] => {
      const fingerprint = fingerprints[index];
      const dump = dumps[index];
      if (fingerprint === undefined || dump === undefined) return [];
      return [keyLine({ key, type: fingerprint.type, digest: fingerprint.digest, ...dump })];
    });
    yield { lines };
  }
}

function grouped(keys: readonly ByteString[], sizes: readonly (number | undefined)[]): readonly ByteString[][] {
  const groups: ByteString[][] = [];
  let room = 0;
  for (const [index, key] of keys.entries()) {
    // What cannot be weighed is read alone.
    const bytes = sizes[index] ?? BYTES_AT_ONCE;
    if (groups.length === 0 || bytes > room) {
      groups.push([]);
      room = BYTES_AT_ONCE;
    }
    groups.at(-1)?.push(key);
    room -= bytes;
  }
  return groups;
}

function keyLine({ key, type, expiresAt, digest, payload }: KeyRecord): BackupLine {
  if (payload.length > LARGEST_DUMP) {
    throw new MigrateError('record', `the key ${printable(key)} is too large for a backup`, {
      stage: 'redis',
      next: 'leave Redis out with --skip-redis and keep a copy of its own snapshot file',
    });
  }
  const name = Buffer.from(key, 'latin1').toString('base64');
  const record = { kind: 'key', key: name, type, expiresAt, digest, payload: payload.toString('base64') };
  return { kind: 'key', text: JSON.stringify(record) };
}

function keyRecord(line: string): KeyRecord {
  const record = JSON.parse(line) as Omit<KeyRecord, 'payload'> & { readonly payload: string; readonly db?: number };
  if (record.db !== undefined) {
    throw new MigrateError('refused', 'the backup was made of several databases of Redis', {
      stage: 'redis',
      next: 'give --redis-db as for the backup, such as 0,1',
    });
  }
  return {
    ...record,
    key: Buffer.from(record.key, 'base64').toString('latin1'),
    payload: Buffer.from(record.payload, 'base64'),
  };
}

async function compareKeys(part: BackupPart, ctx: PlanContext<RedisReader>): Promise<RestoreLook> {
  const tally = new RestoreTally();
  for await (const lines of part.lines()) {
    ctx.signal.throwIfAborted();
    const { current, expired } = await byExpiry(lines.map(keyRecord), ctx);
    tally.add('expired', expired);
    const standing = await standings(current, ctx);
    for (const [index, record] of current.entries()) {
      const stands = standing[index] ?? 'absent';
      if (stands === 'different') tally.differs(printable(record.key));
      else tally.add(stands);
    }
  }
  return tally.look();
}

/** By the server's clock, by which keys expire. */
async function byExpiry(records: readonly KeyRecord[], { store }: PlanContext<RedisReader>) {
  const now = records.some(({ expiresAt }) => expiresAt >= 0) ? await store.now() : 0;
  const current = records.filter(({ expiresAt }) => expiresAt < 0 || expiresAt > now);
  return { current, expired: records.length - current.length };
}

async function standings(
  records: readonly KeyRecord[],
  { store }: PlanContext<RedisReader>,
): Promise<readonly ('absent' | 'equal' | 'different')[]> {
  const found = await store.fingerprints(records.map(({ key }) => key));
  const standing = records.map((record, index) => {
    const other = found[index];
    if (other === undefined) return 'absent';
    const same = other.digest === record.digest && other.type === record.type;
    return same && store.sameExpiry(other.expiresAt, record.expiresAt) ? 'equal' : 'different';
  });
  // A key that was written while the backup read it has the digest of one moment and the dump of the next.
  const unlike = records.flatMap((record, index) => (standing[index] === 'different' ? [{ record, index }] : []));
  for (const { record, index } of unlike) {
    const [dump] = await store.dumps([record.key]);
    const same = dump?.payload.equals(record.payload) === true && store.sameExpiry(dump.expiresAt, record.expiresAt);
    if (same) standing[index] = 'equal';
  }
  return standing;
}

/** A key that somebody makes meanwhile stays as it is: RESTORE without REPLACE. */
async function* restoreKeys(part: BackupPart, ctx: RestoreContext<RedisWriter>): AsyncGenerator<number> {
  for await (const lines of part.lines()) {
    const { current } = await byExpiry(lines.map(keyRecord), ctx);
    const there = await ctx.store.exist(current.map(({ key }) => key));
    const absent = current.filter((_, index) => !there[index]);
    if (absent.length === 0) continue;
    await ctx.permit(absent.length);
    const items = absent.map(({ key, payload, expiresAt }) => ({ key, dumped: { payload, expiresAt } as DumpedKey }));
    yield (await ctx.store.restoreAll(items)).filter((made) => made).length;
  }
}

/** Values before renames: a log is read backwards, and what came last is taken back first. */
async function* undoEntriesOf(part: BackupPart, move: Move, profile: Profile): AsyncGenerator<Json[]> {
  yield* valuesOf(part, move, profile);
  yield* renamesOf(part, move);
}

/** The backup holds no tokens, so they are written as JSON mostly is. What never named its tenant stays as it is. */
async function* valuesOf(part: BackupPart, move: Move, profile: Profile): AsyncGenerator<Json[]> {
  const rules = new ValueRules(profile, profile.keyTemplates, [move]);
  const keys = new TenantKeys(profile.keyTemplates, profile.configKeyTemplates, [move]);
  if (rules.none) return;
  for await (const lines of part.lines()) {
    const entries = lines.flatMap((line): ValuesEntry[] => {
      const role = keys.roleOf(keyRecord(line).key);
      const rule = role?.role === 'source' ? rules.for(role) : undefined;
      if (role?.role !== 'source' || rule === undefined) return [];
      const { source, target, path } = rule;
      return [{ kind: 'values', source, target, path, keys: [toJson(role.target)], tokens: [JSON.stringify(source)] }];
    });
    if (entries.length > 0) yield entries;
  }
}

async function* renamesOf(part: BackupPart, { source, target }: Move): AsyncGenerator<Json[]> {
  let keys: Json[] = [];
  const entry = (): RedisUndoEntry => ({ kind: 'rename', source, target, keys });
  for await (const lines of part.lines()) {
    for (const line of lines) {
      keys.push(toJson(keyRecord(line).key));
      if (keys.length < KEYS_IN_AN_ENTRY) continue;
      yield [entry()];
      keys = [];
    }
  }
  if (keys.length > 0) yield [entry()];
}
