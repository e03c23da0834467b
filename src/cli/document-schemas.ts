import { z } from 'zod';
import type { Move } from '../model/move.ts';
import type { RunPlan, RunReport } from '../report/report.ts';
import type { Finding, Problem } from '../stages/stage.ts';

const stage = z.enum(['config', 'redis', 'qdrant', 'graph']);
const command = z.enum(['move', 'plan', 'apply', 'resume', 'verify', 'rollback']);
const move: z.ZodType<Move> = z.object({ source: z.string(), target: z.string() });
const shape = z.object({ from: z.string(), to: z.string(), count: z.number() });
const counts = { found: z.number(), atTarget: z.number() };

const problem: z.ZodType<Problem> = z.object({
  stage: z.union([stage, z.literal('run')]),
  code: z.string(),
  message: z.string(),
  fix: z.string(),
});

const finding: z.ZodType<Finding> = z.object({
  stage,
  kind: z.string(),
  severity: z.enum(['difference', 'notice']),
  message: z.string(),
  where: z.string().optional(),
  count: z.number().optional(),
  samples: z.array(z.string()).optional(),
  fix: z.string().optional(),
});

/** `report.json`, and what `--json` prints. Later versions may have more members. */
const report: z.ZodType<RunReport> = z.object({
  schema: z.literal('tenant-migrate/report@1'),
  toolVersion: z.string(),
  runId: z.string(),
  command,
  moves: z.array(move),
  dryRun: z.boolean(),
  outcome: z.enum([
    'done',
    'nothing-to-do',
    'planned',
    'verified',
    'rolled-back',
    'undone',
    'differences',
    'refused',
    'failed',
    'stopped',
  ]),
  exitCode: z.number(),
  startedAt: z.string().describe('ISO 8601'),
  ms: z.number(),
  stages: z.array(
    z.object({
      name: stage,
      status: z.enum(['not-run', 'done', 'skipped', 'failed', 'undone', 'undo-failed']),
      unit: z.string().describe('what a record is called, in the plural'),
      ...counts,
      moved: z.number(),
      skipped: z.number(),
      conflicts: z.number(),
      failed: z.number(),
      vanished: z.number(),
      ms: z.number(),
      phases: z.record(z.string(), z.number()).describe('time of each phase, ms'),
      estimateMs: z.number(),
      shapes: z.array(shape),
      run: z
        .object({ found: z.number(), moved: z.number() })
        .exactOptional()
        .describe('all attempts together, where earlier ones of this run have moved records'),
    }),
  ),
  tenants: z.array(z.any()).exactOptional().describe('what became of each tenant of a list'),
  waves: z.array(z.any()).exactOptional().describe('what became of each wave of a list'),
  problems: z.array(problem),
  findings: z.array(finding),
  limit: z
    .object({
      name: z.enum(['max-errors', 'max-error-rate', 'max-slowdown', 'timeout']),
      limit: z.number(),
      value: z.number(),
      text: z.string(),
    })
    .nullable()
    .describe('the limit that stopped the run early'),
  error: z.string().nullable(),
  message: z.string(),
  next: z.string().nullable().describe('the command to type now'),
});

/** The document of `plan --out` and `plan --json`. Stages and profile have members of their own. */
const plan = z.object({
  schema: z.literal('tenant-migrate/plan@1' satisfies RunPlan['schema']),
  toolVersion: z.string(),
  createdAt: z.string().describe('ISO 8601'),
  moves: z.array(move),
  profile: z.looseObject({ name: z.string() }),
  options: z.looseObject({}),
  stages: z.array(
    z.looseObject({
      stage,
      unit: z.string(),
      moves: z.array(z.object({ source: z.string(), target: z.string(), ...counts })),
      shapes: z.array(shape),
      conflicts: z.number(),
      notices: z.array(finding),
      problems: z.array(problem),
      estimateMs: z.number(),
    }),
  ),
  digest: z.string().describe('SHA-256 over what must not change between plan and apply'),
  checksum: z.string().describe('SHA-256 over the document without this member'),
});

/** The JSON Schema (draft 2020-12) of a document that the command writes. It allows members that it does not name. */
export function documentSchema(document: 'plan' | 'report'): Readonly<Record<string, unknown>> {
  return z.toJSONSchema(document === 'plan' ? plan : report, { io: 'input' });
}
