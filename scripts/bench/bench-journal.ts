import neo4j from 'neo4j-driver';
import type { Move } from '../../src/model/move.ts';
import { guideTenant, neighbours, type TenantSize } from '../seed/tenant-size.ts';
import { type SeedOptions, seedTenant } from '../seed.ts';
import { startNeo4j } from '../services/neo4j.ts';
import { startRedis } from '../services/redis.ts';
import { startStandIn } from '../services/stand-ins.ts';
import { applyAsRun, type OneApply } from './apply-as-run.ts';
import { relabelBare } from './bench-graph.ts';
import { over, type Row } from './row.ts';
import { type Contender, thereAndBack, timed } from './there-and-back.ts';

interface JournalBench {
  /** Keys of the redis part. */
  readonly sizes: readonly number[];
  readonly repeat: number;
  readonly log: (line: string) => void;
}

const move: Move = { source: 'siraya', target: 'tenant_76920508' };
const nothing: TenantSize = { tenant: move.source, keys: 0, points: {}, nodes: 0, relationships: 0 };

/** What journal, undo log, locks and lease cost: apply with all of them against apply with none. */
export async function benchJournal(options: JournalBench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const keys of options.sizes) rows.push(await benchRedis(keys, options));
  return [...rows, await benchQdrant(options), await benchGraph(options)];
}

async function benchRedis(keys: number, { repeat, log }: JournalBench): Promise<Row> {
  const server = await startRedis();
  try {
    log(`journal: seeding ${keys} keys`);
    await seedWithNeighbours({ ...nothing, keys }, { redisUrl: server.url });
    const one = { stage: 'redis', flags: { 'redis-url': server.url }, records: keys } as const;
    const [without = 0, ours = 0] = await thereAndBack([bare(one), safe(one)], { move, repeat });
    const section = `journal redis ${keys.toLocaleString('en')}`;
    return over({ section, what: 'apply', against: { name: 'without', value: without }, ours, unit: 'ms', most: 1.12 });
  } finally {
    await server.stop();
  }
}

async function benchQdrant({ repeat, log }: JournalBench): Promise<Row> {
  const given = process.env.TEST_QDRANT_URL;
  const standIn = given === undefined ? await startStandIn('qdrant') : undefined;
  const url = given ?? standIn?.url ?? '';
  const lease = await startRedis();
  try {
    const { points } = guideTenant;
    const records = Object.values(points).reduce((sum, count) => sum + count, 0);
    log(`journal: seeding ${records} points`);
    await seedWithNeighbours({ ...nothing, points }, { qdrantUrl: url });
    const one = { stage: 'qdrant', flags: { 'qdrant-url': url, 'redis-url': lease.url }, records } as const;
    const [without = 0, ours = 0] = await thereAndBack([bare(one), safe(one)], { move, repeat });
    const section = `journal qdrant ${records.toLocaleString('en')}`;
    const against = { name: 'without', value: without };
    const note = standIn === undefined ? {} : { note: 'Qdrant simulated' };
    return over({ section, what: 'apply', against, ours, unit: 'ms', most: 1.1, ...note });
  } finally {
    await Promise.all([standIn?.stop(), lease.stop()]);
  }
}

async function benchGraph({ repeat, log }: JournalBench): Promise<Row> {
  const [server, lease] = [await startNeo4j({ log }), await startRedis()];
  const driver = neo4j.driver(server.url);
  try {
    const { nodes: records, relationships } = guideTenant;
    log(`journal: seeding ${records} nodes`);
    await seedWithNeighbours({ ...nothing, nodes: records, relationships }, { graphUrl: server.url });
    const one = { stage: 'graph', flags: { 'graph-url': server.url, 'redis-url': lease.url }, records } as const;
    const statement = { name: 'statement', run: (way: Move) => timed(() => relabelBare(driver, way)) };
    const [single = 0, ours = 0] = await thereAndBack([statement, safe(one)], { move, repeat });
    const section = `journal graph ${records.toLocaleString('en')}`;
    const against = { name: 'one statement', value: single };
    return over({ section, what: 'apply', against, ours, unit: 'ms', most: 3 });
  } finally {
    await driver.close();
    await Promise.all([server.stop(), lease.stop()]);
  }
}

function bare(one: Omit<OneApply, 'move'>): Contender {
  return { name: 'bare', run: (way) => applyAsRun({ ...one, move: way }, 'bare') };
}

function safe(one: Omit<OneApply, 'move'>): Contender {
  return { name: 'safe', run: (way) => applyAsRun({ ...one, move: way }, 'safe') };
}

/** The neighbours have a record wherever the tenant has many. */
async function seedWithNeighbours(size: TenantSize, into: SeedOptions): Promise<void> {
  for (const one of [size, ...neighbours]) await seedTenant(one, into);
}
