import type { RunReport, StageRow, TenantRow } from '../../src/report/report.ts';

/** Names that try to be more than names. */
export const HOSTILE = [
  '<img src=x onerror="globalThis.hacked=1">',
  '</style><script>globalThis.hacked=2</script>',
  `"'\`><svg onload=globalThis.hacked=3>`,
  '</title></head><body onload=globalThis.hacked=4>',
  'javascript:globalThis.hacked=5',
  '\u202egnp.exe\u202c\u200f\u2067rtl',
  'שלום مرحبا',
  '\u001b[31mred\u001b[0m\u001b]8;;https://evil.example\u0007link',
  '🧨👩‍👩‍👧‍👦',
  `long_${'x'.repeat(250)}`,
  'line\nbreak\r\nand\ttab',
  '=cmd|"/c calc"!A1',
  '@everyone [x](https://evil.example) ![y](https://evil.example/z.png) **b** _i_ ~~s~~ | a | b',
  'url(https://evil.example/c.css)',
] as const;

const nth = (index: number): string => HOSTILE[index % HOSTILE.length] ?? '';

/** A report in which everything that can stand in one stands, and every text is hostile. */
export function hostileReport(change: Partial<RunReport> = {}): RunReport {
  const moves = HOSTILE.map((source, index) => ({ source, target: nth(index + 1) }));
  const finding = (kind: string, index: number, severity: 'difference' | 'notice' = 'notice') => ({
    stage: 'redis' as const,
    kind,
    severity,
    message: `${nth(index)} was found`,
    where: nth(index + 1),
    count: 3,
    samples: [...HOSTILE],
    fix: `--key-template '${nth(index + 2)}'`,
  });
  return {
    schema: 'tenant-migrate/report@1',
    toolVersion: nth(0),
    runId: '20261121T185406-0a1b2c',
    command: 'move',
    moves,
    dryRun: false,
    outcome: 'failed',
    exitCode: 4,
    startedAt: '2026-11-21T18:54:06.123Z',
    ms: 75_400,
    stages: [
      stageRow('config', 'done'),
      stageRow('redis', 'failed'),
      stageRow('qdrant', 'not-run'),
      stageRow('graph', 'skipped'),
    ],
    tenants: HOSTILE.map((source, index): TenantRow => {
      const stages = { redis: { unit: 'keys', found: 12, atTarget: 0, moved: index % 2 === 0 ? null : 12 } };
      const through = index % 3 === 0 ? { through: nth(index) } : {};
      return { source, target: nth(index + 1), wave: 1 + (index % 2), status: 'partial', stages, ...through };
    }),
    waves: [{ wave: 1, moves: moves.slice(0, 2), runId: nth(1), status: 'failed' }],
    problems: HOSTILE.map((text) => ({ stage: 'run', code: 'both-have-data', message: text, fix: text })),
    findings: [
      ...HOSTILE.map((_, index) => finding('left-behind', index, 'difference')),
      finding('conflict', 1),
      finding('unclaimed', 2),
      finding('look-alike', 3),
      finding('grew', 4),
    ],
    limit: { name: 'max-errors', limit: 1, value: 2, text: nth(0) },
    error: HOSTILE.join(' '),
    message: HOSTILE.join(' '),
    next: `tenant-migrate resume '${nth(1)}'`,
    timeline: [
      { stage: 'redis', phase: 'plan', pass: 1, startMs: 0, endMs: 20_000 },
      { stage: 'redis', phase: 'apply', pass: 1, startMs: 20_000, endMs: 70_000 },
      { stage: 'redis', phase: 'verify', pass: 1, startMs: 70_000, endMs: 70_001 },
    ],
    throughput: [
      {
        stage: 'redis',
        phase: 'apply',
        points: Array.from({ length: 60 }, (_, i) => [20_000 + i * 800, i * i] as const),
      },
    ],
    notes: HOSTILE.map((text) => ({ atMs: 1_200, text, count: 2 })),
    retries: HOSTILE.map((reason) => ({ stage: 'qdrant', reason, count: 4, waitedMs: 900 })),
    settings: Object.fromEntries(HOSTILE.map((text, index) => [index % 2 === 0 ? `flag-${index}` : text, text])),
    environment: { node: '20.19.4', platform: nth(2), ci: nth(1) },
    stores: { redis: { address: nth(2), server: nth(0) } },
    ...change,
  };
}

/** A row with every number set. */
export function stageRow(name: StageRow['name'], status: StageRow['status'], change: Partial<StageRow> = {}): StageRow {
  return {
    name,
    status,
    unit: 'keys',
    found: 120,
    atTarget: 4,
    moved: status === 'done' ? 120 : 60,
    skipped: 1,
    conflicts: 2,
    failed: 3,
    vanished: 4,
    ms: 1_234,
    phases: { plan: 20_000, apply: 50_000 },
    estimateMs: 900,
    shapes: HOSTILE.map((from, index) => ({ from, to: nth(index + 1), count: 10 + index })),
    after: { source: 60, target: 64 },
    ...change,
  };
}

/** A report as this tool wrote it before it kept a timeline, throughput, notes, settings, surroundings and counts after. */
export function oldReport(): RunReport {
  const {
    timeline: _1,
    throughput: _2,
    notes: _3,
    retries: _4,
    settings: _5,
    environment: _6,
    stores: _7,
    ...old
  } = hostileReport({ moves: [{ source: 'siraya', target: 'tenant_7' }], problems: [], findings: [] });
  const { tenants: _8, waves: _9, ...rest } = old;
  return { ...rest, stages: rest.stages.map(({ after: _, ...row }) => row) };
}
