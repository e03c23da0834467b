import neo4j, { type Driver } from 'neo4j-driver';
import type { Move } from '../../src/model/move.ts';
import { graphStage } from '../../src/stages/graph.ts';
import { openGraphReader, openGraphWriter } from '../../src/stores/graph/graph-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { guideTenant, neighbours } from '../seed/tenant-size.ts';
import { seedTenant } from '../seed.ts';
import { startNeo4j } from '../services/neo4j.ts';
import { overFloor, type Row } from './row.ts';
import { thereAndBack, timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

const move: Move = { source: 'siraya', target: 'tenant_76920508' };

/** The graph: floor (the one statement), apply alone, plan + apply + verify, at the guide's size, on a Neo4j of its own. */
export async function benchGraph({
  repeat,
  log,
}: {
  repeat: number;
  log(line: string): void;
}): Promise<readonly Row[]> {
  const server = await startNeo4j({ log });
  const driver = neo4j.driver(server.url);
  try {
    log(`graph: seeding ${guideTenant.nodes} nodes`);
    for (const size of [guideTenant, ...neighbours]) {
      await seedTenant({ ...size, keys: 0, points: {} }, { graphUrl: server.url });
    }
    return await measure(server.url, driver, repeat);
  } finally {
    await driver.close();
    await server.stop();
  }
}

async function measure(url: string, driver: Driver, repeat: number): Promise<readonly Row[]> {
  const stage = graphStage();
  const reader = await openGraphReader({ url, connectTimeoutMs: 10_000 });
  const writer = await openGraphWriter({ url, connectTimeoutMs: 10_000 });
  const planned = (one: Move) => stage.plan([one], planContext(reader));
  const applied = (plan: Awaited<ReturnType<typeof planned>>) =>
    withUndoLog('graph', async (undo) => {
      const context = await applyContext(writer, { undo });
      return timed(async () => expectAll(total(await drain(stage.apply(plan, context)), 'moved')));
    });
  try {
    const [floor = 0, ours = 0, whole = 0] = await thereAndBack(
      [
        { name: 'floor', run: (one) => timed(async () => expectAll(await relabelBare(driver, one))) },
        { name: 'apply', run: async (one) => applied(await planned(one)) },
        {
          name: 'plan + apply + verify',
          run: (one) =>
            timed(async () => {
              const plan = await planned(one);
              await applied(plan);
              const findings = await stage.verify(plan, 'applied', planContext(reader));
              if (findings.some(({ severity }) => severity === 'difference')) throw new Error(JSON.stringify(findings));
            }),
        },
      ],
      { move, repeat },
    );
    const section = `graph ${guideTenant.nodes.toLocaleString('en')} loopback`;
    return [
      overFloor({ section, what: 'apply', floor, ours }),
      overFloor({ section, what: 'plan + apply + verify', floor, ours: whole }),
    ];
  } finally {
    await Promise.all([reader.close(), writer.close()]);
  }
}

/** The one statement that changes every label, in one transaction. */
export async function relabelBare(driver: Driver, { source, target }: Move): Promise<number> {
  const statement = `MATCH (n:\`${source}\`) SET n:\`${target}\` REMOVE n:\`${source}\` RETURN count(n) AS count`;
  const { records } = await driver.executeQuery(statement);
  return Number(records[0]?.get('count'));
}

function expectAll(moved: number): void {
  if (moved !== guideTenant.nodes) throw new Error(`${moved} nodes were moved, there are ${guideTenant.nodes}`);
}
