import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import neo4j, { type Driver } from 'neo4j-driver';
import type { Move } from '../../src/model/move.ts';
import { graphStage } from '../../src/stages/graph.ts';
import { openGraphReader, openGraphWriter } from '../../src/stores/graph/graph-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { startNeo4j } from '../services/neo4j.ts';
import { overFloor, type Row } from './row.ts';
import { timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

const there: Move = { source: 'siraya', target: 'tenant_76920508' };
const back: Move = { source: there.target, target: there.source };
const AT_ONCE = 10_000;

/**
 * A tenant that does not fit into one transaction, with an index, on a Neo4j of its own with 512 MB of heap: the server's
 * own batches there, a whole move back. Fails where the server runs out of memory.
 */
export async function benchGraphMany({
  nodes,
  log,
}: {
  readonly nodes: number;
  log(line: string): void;
}): Promise<readonly Row[]> {
  const server = await startNeo4j({ log });
  const driver = neo4j.driver(server.url);
  try {
    log(`graph: seeding ${nodes.toLocaleString('en')} nodes`);
    await seed(driver, nodes);
    const floor = await timed(() => relabelByServer(driver, there));
    log(`graph: ${nodes.toLocaleString('en')} nodes by the server's own batches in ${Math.round(floor)} ms`);
    const { apply, whole } = await moveBack(server.url, nodes);
    const logs = await readFile(join(server.dir, 'logs', 'debug.log'), 'utf8').catch(() => '');
    if (/OutOfMemory/.test(logs)) throw new Error('the server ran out of memory');
    const section = `graph ${nodes.toLocaleString('en')}, heap 512 MB`;
    const note = `server's heap at the end ${await heapMb(driver)} MB`;
    return [
      overFloor({ section, what: 'apply, with its index', floor, ours: apply, note }),
      overFloor({ section, what: 'plan + apply + verify + finalize', floor, ours: whole }),
    ];
  } finally {
    await driver.close();
    await server.stop();
  }
}

async function seed(driver: Driver, nodes: number): Promise<void> {
  await inBatches(
    driver,
    `UNWIND range(1, $nodes) AS i CALL (i) {
       CREATE (:\`${there.source}\` {entity_id: 'entity ' + i, rank: i, description: 'what is known of entity ' + i})
     } IN TRANSACTIONS OF ${AT_ONCE} ROWS`,
    { nodes: neo4j.int(nodes) },
  );
  await makeIndex(driver, there.source);
}

async function makeIndex(driver: Driver, label: string): Promise<void> {
  await driver.executeQuery(`CREATE INDEX \`idx_${label}\` FOR (n:\`${label}\`) ON (n.entity_id)`);
  await driver.executeQuery(`CALL db.awaitIndex('idx_${label}', 600)`);
}

/** What one would type into the server's shell, index included. */
async function relabelByServer(driver: Driver, { source, target }: Move): Promise<void> {
  await makeIndex(driver, target);
  await inBatches(
    driver,
    `MATCH (n:\`${source}\`) CALL (n) { SET n:\`${target}\` REMOVE n:\`${source}\` } IN TRANSACTIONS OF ${AT_ONCE} ROWS`,
  );
  await driver.executeQuery(`DROP INDEX \`idx_${source}\``);
}

async function inBatches(driver: Driver, text: string, parameters?: Record<string, unknown>): Promise<void> {
  const session = driver.session();
  try {
    await session.run(text, parameters);
  } finally {
    await session.close();
  }
}

async function moveBack(url: string, nodes: number): Promise<{ readonly apply: number; readonly whole: number }> {
  const stage = graphStage();
  const reader = await openGraphReader({ url, connectTimeoutMs: 10_000 });
  const writer = await openGraphWriter({ url, connectTimeoutMs: 10_000 });
  try {
    return await withUndoLog('graph', async (undo) => {
      let apply = 0;
      const whole = await timed(async () => {
        const plan = await stage.plan([back], planContext(reader));
        const context = await applyContext(writer, { undo });
        apply = await timed(async () => {
          const moved = total(await drain(stage.apply(plan, context)), 'moved');
          if (moved !== nodes) throw new Error(`${moved} nodes were moved, there are ${nodes}`);
        });
        const applied = await stage.verify(plan, 'applied', planContext(reader));
        await drain(stage.finalize(plan, context));
        const findings = [...applied, ...(await stage.verify(plan, 'finalized', planContext(reader)))];
        if (findings.some(({ severity }) => severity === 'difference')) throw new Error(JSON.stringify(findings));
      });
      return { apply, whole };
    });
  } finally {
    await Promise.all([reader.close(), writer.close()]);
  }
}

async function heapMb(driver: Driver): Promise<number> {
  const { records } = await driver.executeQuery(
    `CALL dbms.queryJmx('java.lang:type=Memory') YIELD attributes RETURN attributes.HeapMemoryUsage.value.properties.used AS used`,
  );
  return Math.round(Number(records[0]?.get('used')) / 1024 / 1024);
}
