import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { Finding, PlanContext } from '../stage.ts';
import type { RedisPlan } from './redis-plan.ts';

/** What the operator should know of the server's replicas: what they do not have yet, a failover would lose. */
export async function replication(plan: RedisPlan, { store }: PlanContext<RedisReader>): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const add = (kind: string, message: string, count?: number) => {
    findings.push({ stage: 'redis', kind, severity: 'notice', message, ...(count === undefined ? {} : { count }) });
  };
  if (store.mayFailOver && (await store.server()).runId !== plan.server.runId) {
    const what = 'another server has taken over as the master since the plan, or it was started anew';
    add('failover', `${what}: renames that it had not received are made again, and counted again`);
  }
  const behind = await store.behind();
  if (behind > 0) {
    const who = behind === 1 ? '1 replica has' : `${behind} replicas have`;
    add('not-replicated', `${who} not confirmed all of it: a failover now would lose what is missing there`, behind);
  }
  return findings;
}
