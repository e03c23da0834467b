import { DRAGONFLY_HEADROOM } from '../../model/dragonfly-headroom.ts';
import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { Finding } from '../stage.ts';
import type { Copies } from './redis-mode.ts';

/**
 * Which server it is, where that is not what most have, and what it does not tell. A Dragonfly's emulated cluster is
 * spoken to as one server.
 */
export function serverNotices({ product, version, cluster, runId }: RedisServer, copies: Copies): readonly Finding[] {
  const notice = (message: string): Finding => {
    return { stage: 'redis', kind: 'server', severity: 'notice', message, where: product };
  };
  const notices: Finding[] = [];
  if (product === 'dragonfly') {
    const mode = cluster ? ', whose cluster mode needs no cluster client: it is spoken to as one server' : '';
    notices.push(notice(`the server is a Dragonfly ${version}${mode}`));
  }
  if (copies === 'when-short') {
    const share = `${DRAGONFLY_HEADROOM * 100} %`;
    notices.push(
      notice(`keys are renamed while ${share} of the Dragonfly's memory are free, and copied from there on`),
    );
  }
  if (runId === '') {
    const text =
      'the server tells neither run_id nor master_replid, so that a start anew would pass unseen while its keys';
    notices.push(notice(`${text} are listed: verify lists them twice`));
  }
  return notices;
}
