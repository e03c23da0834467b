import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectFolder } from '../services/cache-folder.ts';
import { benchGraph } from './bench-graph.ts';
import { benchGraphMany } from './bench-graph-many.ts';
import { benchJournal } from './bench-journal.ts';
import { benchLinks } from './bench-links.ts';
import { benchMap } from './bench-map.ts';
import { benchMemory } from './bench-memory.ts';
import { benchQdrant } from './bench-qdrant.ts';
import { benchReId } from './bench-re-id.ts';
import { benchRedis } from './bench-redis.ts';
import { benchRedisCluster } from './bench-redis-cluster.ts';
import { benchResume } from './bench-resume.ts';
import { benchValues } from './bench-values.ts';
import { benchWhole } from './bench-whole.ts';
import { printTable } from './print-table.ts';
import type { Row } from './row.ts';

const usage = `usage: npm run bench -- [--keys 38491,200000] [--full] [--only redis,qdrant,…] [--repeat 3]

--keys    sizes of the parts that know sizes: redis (default 38491,200000), cluster (10000), map, journal and resume (100000), memory (1000000)
--full    the same, with a million keys as well, and a million nodes; memory also with three million
--only    these parts alone: redis, cluster, map, qdrant, graph, links, whole, journal, resume, memory (default: all; memory only with --full)
--repeat  measured rounds; the median counts (default 3)`;

const PARTS = ['redis', 'cluster', 'map', 'qdrant', 'graph', 'links', 'whole', 'journal', 'resume', 'memory'] as const;
type Part = (typeof PARTS)[number];

/** Sizes of the parts that know sizes: as they are, and what a full run adds. */
const SIZES: Readonly<Partial<Record<Part, { readonly quick: readonly number[]; readonly full: readonly number[] }>>> =
  {
    redis: { quick: [38_491, 200_000], full: [1_000_000] },
    map: { quick: [100_000], full: [1_000_000] },
    cluster: { quick: [10_000], full: [100_000] },
    journal: { quick: [100_000], full: [1_000_000] },
    resume: { quick: [100_000], full: [1_000_000] },
    memory: { quick: [1_000_000], full: [3_000_000] },
  };
const log = (line: string) => console.error(line);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      keys: { type: 'string' },
      full: { type: 'boolean', default: false },
      only: { type: 'string' },
      repeat: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(usage);
  const parts = values.only?.split(',') ?? PARTS.filter((part) => part !== 'memory' || values.full);
  const unknown = parts.find((part) => !PARTS.some((known) => known === part));
  const repeat = Number(values.repeat);
  const given = values.keys?.split(',').map(Number);
  if (unknown !== undefined || !(repeat >= 1) || given?.some((size) => !(size >= 100))) throw new Error(usage);
  const rows: Row[] = [];
  const load = [loadNow()];
  for (const part of parts as readonly Part[]) {
    const { quick = [], full = [] } = SIZES[part] ?? {};
    const sizes = given ?? (values.full ? [...quick, ...full] : quick);
    rows.push(...(await run(part, { sizes, repeat, full: values.full })));
  }
  load.push(loadNow());
  console.log(printTable(rows));
  console.log(`load average at the start ${load[0]}, at the end ${load[1]}, on ${cpus().length} cores`);
  await store(rows, { repeat, load });
}

/** Of the last minute. Far above the number of cores, other work disturbs even the ratios. */
function loadNow(): number {
  return Math.round((loadavg()[0] ?? 0) * 10) / 10;
}

async function run(
  part: Part,
  { sizes, repeat, full }: { readonly sizes: readonly number[]; readonly repeat: number; readonly full: boolean },
): Promise<readonly Row[]> {
  switch (part) {
    case 'redis': {
      const rows: Row[] = [];
      for (const keys of sizes) rows.push(...(await benchRedis({ keys, repeat, log })));
      return [...rows, ...(await benchValues({ repeat, log }))];
    }
    case 'cluster': {
      const rows: Row[] = [];
      for (const keys of sizes) rows.push(...(await benchRedisCluster({ keys, repeat, log })));
      return rows;
    }
    case 'map': {
      const rows: Row[] = [];
      for (const keys of sizes) rows.push(...(await benchMap({ keys, repeat, log })));
      return rows;
    }
    case 'qdrant':
      return [...(await benchQdrant({ repeat, log })), ...(await benchReId({ repeat, log }))];
    case 'graph':
      return [...(await benchGraph({ repeat, log })), ...(full ? await benchGraphMany({ nodes: 1_000_000, log }) : [])];
    case 'links':
      return benchLinks({ repeat, log });
    case 'whole':
      return benchWhole({ repeat, log });
    case 'journal':
      return benchJournal({ sizes, repeat, log });
    case 'resume':
      return benchResume({ sizes, repeat, log });
    case 'memory':
      return benchMemory({ sizes, log });
  }
}

async function store(rows: readonly Row[], about: { repeat: number; load: readonly number[] }): Promise<void> {
  const folder = join(projectFolder, 'bench-results');
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? 'unknown', memoryBytes: totalmem() };
  const document = { measuredAt: new Date().toISOString(), node: process.version, machine, ...about, rows };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'bench.json'), `${JSON.stringify(document, undefined, 2)}\n`);
}

main().catch((error: unknown) => {
  log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});
