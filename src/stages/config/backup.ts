import { MigrateError } from '../../model/errors.ts';
import { canonicalJson, type Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import { seal, unseal } from '../../model/secret-box.ts';
import { fieldName, fitsMask, maskOf, replaceSecrets, type Sections } from '../../model/secret-mask.ts';
import type { ConfigReader, ConfigWriter } from '../../stores/config-api/config-api.ts';
import { RestoreTally } from '../restore-tally.ts';
import type { BackupBatch, BackupPart, PlanContext, RestoreContext, RestoreLook, StageBackup } from '../stage.ts';
import { type ConfigSecrets, fillSecrets, type GivenFields, givenFields } from './config-secrets.ts';
import { note, pickSections, readSections, refresh } from './record.ts';
import { recordedFields, type UnmaskedRecords } from './recorded-secrets.ts';
import type { UndoEntry } from './undo-log.ts';

/** A config as a backup has it. No secret stands in it readably. */
interface ConfigRecord {
  readonly kind: 'config';
  /** Every secret is its mask. */
  readonly sections: Sections;
  /** Names of the fields that are masks here. */
  readonly secrets: readonly string[];
  /** Their real values by name, as JSON, sealed; absent where there was no key, or nothing to seal. */
  readonly sealed?: string;
}

/** What is known of secrets beside the backup. */
interface Known {
  readonly records: UnmaskedRecords | undefined;
  readonly given: ConfigSecrets | undefined;
  /** Seals the secrets and opens them; without it a backup holds none. */
  readonly key: string | undefined;
}

const HOLDS_NONE = 'a backup without them cannot restore this config alone';

/** The tenant's config with its secrets sealed, as far as they are known. */
export function configBackup(known: Known): StageBackup<ConfigReader, ConfigWriter> {
  return {
    read: (tenant, ctx) => readConfig(tenant, ctx, known),
    compare: (part, ctx) => compareConfig(part, ctx, known),
    restore: (part, ctx) => restoreConfig(part, ctx, known),
    undoEntries: createdOf,
  };
}

async function* readConfig(tenant: string, ctx: PlanContext<ConfigReader>, known: Known): AsyncGenerator<BackupBatch> {
  const found = await readSections(ctx, tenant);
  if (found === undefined || Object.keys(found).length === 0) return;
  const { recorded } = await recordedFields(known.records, tenant, found, ctx.profile);
  const given = new Map([...recorded, ...givenFor(tenant, ctx, known)]);
  const values: Record<string, string> = {};
  const secrets: string[] = [];
  const sections = replaceSecrets(found, ctx.profile.config.maskedMembers, ({ path, value, masked }) => {
    const name = fieldName(path);
    const real = masked ? given.get(name) : value;
    if (real !== undefined && (!masked || fitsMask(real, value))) values[name] = real;
    secrets.push(name);
    return masked ? value : maskOf(value);
  });
  const kept = known.key === undefined ? [] : Object.keys(values);
  const sealed =
    known.key === undefined || kept.length === 0 ? {} : { sealed: seal(JSON.stringify(values), known.key) };
  const record: ConfigRecord = { kind: 'config', sections, secrets, ...sealed };
  const missing = secrets.filter((name) => !kept.includes(name));
  const reason =
    known.key === undefined
      ? 'ENCRYPTION_KEY is not set'
      : 'the API masks them, and --config-secrets names no value that fits';
  const notKept = missing.length === 0 ? [] : [`the secrets ${missing.join(', ')}: ${reason}; ${HOLDS_NONE}`];
  yield { lines: [{ kind: 'config', text: JSON.stringify(record) }], notKept };
}

function givenFor(tenant: string, { profile }: Pick<PlanContext<ConfigReader>, 'profile'>, known: Known): GivenFields {
  const move = { source: tenant, target: tenant };
  return givenFields(known.given, move, { moves: [move], sections: profile.config.sections }).source;
}

async function compareConfig(part: BackupPart, ctx: PlanContext<ConfigReader>, known: Known): Promise<RestoreLook> {
  const tally = new RestoreTally();
  for await (const record of recordsOf(part)) {
    const found = await readSections(ctx, part.tenant);
    if (found === undefined) {
      const missing = missingSecrets(record, part, ctx, known);
      if (missing.length === 0) tally.add('absent');
      else {
        tally.add('notRestorable');
        tally.note(missingText(record, missing, known));
      }
    } else if (isAsBackedUp(record, found, ctx)) tally.add('equal');
    else tally.differs(`the config of ${part.tenant}`);
  }
  return tally.look();
}

function missingSecrets(
  record: ConfigRecord,
  part: BackupPart,
  ctx: Pick<PlanContext<ConfigReader>, 'profile'>,
  known: Known,
): readonly string[] {
  const values = knownValues(record, part, ctx, known);
  return record.secrets.filter((name) => !values.has(name));
}

function missingText({ sealed }: ConfigRecord, missing: readonly string[], { key }: Known): string {
  const how =
    sealed !== undefined && key === undefined
      ? 'set ENCRYPTION_KEY to the value with which the backup was made'
      : 'give the real values with --config-secrets <file>';
  return `the config cannot be restored without ${missing.join(', ')}: ${how}`;
}

/** What the backup holds sealed, and over it what is given now. */
function knownValues(
  { sealed }: ConfigRecord,
  part: BackupPart,
  ctx: Pick<PlanContext<ConfigReader>, 'profile'>,
  known: Known,
): GivenFields {
  const opened =
    sealed === undefined || known.key === undefined
      ? {}
      : (JSON.parse(unseal(sealed, known.key)) as Record<string, string>);
  return new Map([...Object.entries(opened), ...givenFor(part.tenant, ctx, known)]);
}

function isAsBackedUp(
  { sections }: ConfigRecord,
  found: Sections,
  { profile }: Pick<PlanContext<ConfigReader>, 'profile'>,
): boolean {
  const masked = replaceSecrets(found, profile.config.maskedMembers, ({ value, masked: isMask }) =>
    isMask ? value : maskOf(value),
  );
  return canonicalJson(masked) === canonicalJson(sections);
}

async function* restoreConfig(
  part: BackupPart,
  ctx: RestoreContext<ConfigWriter>,
  known: Known,
): AsyncGenerator<number> {
  for await (const record of recordsOf(part)) {
    if ((await readSections(ctx, part.tenant)) !== undefined) continue;
    if (missingSecrets(record, part, ctx, known).length > 0) continue;
    const values = knownValues(record, part, ctx, known);
    const filled = fillSecrets(record.sections, ctx.profile.config.maskedMembers, values);
    await ctx.permit(1);
    const written = await ctx.store.put({
      tenant: part.tenant,
      ...filled,
      judge: (found) => {
        if (found === undefined) return 'again';
        return isAsBackedUp(record, pickSections(found, ctx.profile), ctx) ? 'done' : 'changed';
      },
    });
    if (written === 'changed') {
      throw new MigrateError('conflict', `the config of ${part.tenant} was made by somebody else meanwhile`, {
        stage: 'config',
        next: 'look at it, then type the same command again',
      });
    }
    await refresh(part.tenant, ctx);
    note(ctx, `Config restored: ${part.tenant}`);
    yield 1;
  }
}

async function* recordsOf(part: BackupPart): AsyncGenerator<ConfigRecord> {
  for await (const lines of part.lines()) for (const line of lines) yield JSON.parse(line) as ConfigRecord;
}

async function* createdOf(part: BackupPart, { source, target }: Move): AsyncGenerator<Json[]> {
  for await (const _record of recordsOf(part)) {
    const entry: UndoEntry = { kind: 'created', source, target };
    yield [entry];
  }
}
