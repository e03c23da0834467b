import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import neo4j from 'neo4j-driver';
import { javaAndMaven } from '../../../scripts/services/java.ts';
import { startNeo4j } from '../../../scripts/services/neo4j.ts';
import type { Fault } from './fault.ts';
import { placeText, proxyOf, somewhereUp } from './places.ts';

/** A real Neo4j of its own that can be killed and started again on its data. */
export interface RestartableGraph {
  readonly url: string;
  /** Ends it as a power cut does to a process, and resolves when it answers again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const LONGEST_START_MS = 120_000;

export async function startRestartableGraph(): Promise<RestartableGraph> {
  // Not bound to this process: what binds a server takes its data away once it is killed.
  const server = await startNeo4j({ lifetime: 'detached' });
  const { java } = await javaAndMaven(() => undefined);
  let running: ChildProcess | undefined;
  const endNow = () => void (running === undefined ? process.kill(server.pid, 'SIGKILL') : running.kill('SIGKILL'));
  process.once('exit', endNow);
  const end = async (): Promise<void> => {
    if (running === undefined) process.kill(server.pid, 'SIGKILL');
    else {
      running.kill('SIGKILL');
      await once(running, 'exit');
    }
  };
  return {
    url: server.url,
    restart: async () => {
      await end();
      // The port is free once the dead process has let it go.
      await sleep(200);
      const main = 'org.neo4j.server.CommunityEntryPoint';
      const args = [`@${join(server.dir, 'jvm.args')}`, main, `--home-dir=${server.dir}`];
      running = spawn(java, [...args, `--config-dir=${join(server.dir, 'conf')}`], {
        cwd: server.dir,
        stdio: 'ignore',
      });
      await untilAnswers(server.url);
    },
    stop: async () => {
      process.off('exit', endNow);
      if (running !== undefined) await end();
      await server.stop();
    },
  };
}

async function untilAnswers(url: string): Promise<void> {
  const driver = neo4j.driver(url);
  const end = performance.now() + LONGEST_START_MS;
  try {
    for (;;) {
      const answers = await driver.executeQuery('RETURN 1').then(
        () => true,
        () => false,
      );
      if (answers) return;
      if (performance.now() > end) throw new Error(`Neo4j at ${url} does not come back`);
      await sleep(250);
    }
  } finally {
    await driver.close();
  }
}

export const graphRestartTexts = {
  kind: 'graph: killed and started again on its data',
  where: 'graph',
  caughtBy: 'a statement is a transaction: done or not; its guard leaves out what is done',
  userSees: 'retry lines; exit 4 and the command to type while it is down',
  drive: 'in-process',
  proxy: 'graph',
} as const;

/** The run meets a server that is gone for the time that a start takes. */
export function graphRestart(graph: RestartableGraph, restarted: (done: Promise<void>) => void): Fault {
  return {
    ...graphRestartTexts,
    arm: (site) => {
      const place = somewhereUp(site, 'graph');
      proxyOf(site, 'graph').arm(place, () => {
        site.met();
        restarted(graph.restart());
      });
      return placeText(place);
    },
  };
}
