import { strictRefusals } from '../model/strict-refusals.ts';
import type { Check } from '../report/doctor-report.ts';
import type { QdrantCollectionHealth } from '../stores/qdrant/qdrant-health.ts';
import { check, majorMinor, some } from './common-checks.ts';

/** The oldest that can be used, and what the tests speak with. */
const OLDEST = [1, 11] as const;
const TESTED = [1, 17] as const;

export function qdrantVersionCheck(version: string): Check {
  const [major, minor] = majorMinor(version);
  const text = `Qdrant ${version}`;
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const fix = `update the server: ${OLDEST.join('.')} is the oldest that can be used`;
    return check('qdrant', 'version', 'error', text, fix);
  }
  if (major > TESTED[0] || minor > TESTED[1]) {
    const fix = 'begin with --dry-run, and with a tenant that matters less';
    return check('qdrant', 'version', 'warning', `${text}: newer than the tested ${TESTED.join('.')}`, fix);
  }
  const old =
    minor < TESTED[1] ? `${text} (tested: ${TESTED.join('.')}); it does not tell how many updates wait` : text;
  return check('qdrant', 'version', 'ok', old);
}

/** What all collections say together, judged; `field` holds the tenant. */
export function collectionChecks(collections: readonly QdrantCollectionHealth[], field: string): readonly Check[] {
  if (collections.length === 0) {
    const fix = 'if there should be some, check --qdrant-url and the rights of QDRANT_API_KEY';
    return [check('qdrant', 'collections', 'warning', 'there is none, or the key may see none', fix)];
  }
  return [
    check('qdrant', 'collections', 'ok', `${collections.length}: ${some(collections.map(({ name }) => name))}`),
    ...statusChecks(collections),
    indexCheck(collections, field),
    ...strictChecks(collections, field),
  ];
}

function statusChecks(collections: readonly QdrantCollectionHealth[]): readonly Check[] {
  const named = (fits: (collection: QdrantCollectionHealth) => boolean) =>
    collections.filter(fits).map(({ name }) => name);
  const [red, yellow, grey] = ['red', 'yellow', 'grey'].map((status) => named((one) => one.status === status));
  const checks: Check[] = [];
  const say = (level: 'error' | 'warning', names: readonly string[] | undefined, what: string, fix: string) => {
    if (names !== undefined && names.length > 0)
      checks.push(check('qdrant', 'status', level, `${what}: ${some(names)}`, fix));
  };
  say(
    'error',
    red,
    'red, an operation has failed',
    'see the server’s log; mend the collection before it is written to',
  );
  say('warning', yellow, 'yellow, being optimised', 'wait until green: meanwhile reads and writes are slower');
  say('warning', grey, 'grey, its optimiser waits for an update', 'it wakes with the first update; the move is one');
  const failed = collections.find(({ optimizerError }) => optimizerError !== undefined);
  if (failed !== undefined) {
    const text = `the optimiser of ${failed.name} has failed: ${failed.optimizerError}`;
    checks.push(
      check('qdrant', 'optimiser', 'error', text, 'mend what it names (often a full disk), then restart the node'),
    );
  }
  const waiting = collections.filter(({ updateQueue }) => (updateQueue ?? 0) > 0);
  say(
    'warning',
    waiting.map(({ name, updateQueue }) => `${name} (${updateQueue})`),
    'updates wait in the queue',
    'wait until it is empty: the move’s own updates stand behind them',
  );
  say(
    'warning',
    named(({ preventUnoptimized }) => preventUnoptimized),
    'moved points stay hidden until they are indexed (prevent_unoptimized)',
    'switch it off during the move, or expect searches to find less for a while',
  );
  return checks.length > 0 ? checks : [check('qdrant', 'status', 'ok', 'green, no update waits')];
}

function indexCheck(collections: readonly QdrantCollectionHealth[], field: string): Check {
  const without = collections.filter(({ indexes }) => !indexes.has(field)).map(({ name }) => name);
  if (without.length === 0) return check('qdrant', 'tenant index', 'ok', `${field} is indexed everywhere`);
  const text = `no index on ${field}: ${some(without)}`;
  const fix =
    'without it each look reads all points; a move makes one where it finds the tenant. Another field: --qdrant-field';
  return check('qdrant', 'tenant index', 'warning', text, fix);
}

function strictChecks(collections: readonly QdrantCollectionHealth[], field: string): readonly Check[] {
  const checks = collections.flatMap(({ name, limits, indexes }) => {
    const told: Check[] = [];
    const { writeRateLimit, readRateLimit, maxQueryLimit, maxPayloadBytes, readNeedsIndex, writeNeedsIndex } = limits;
    for (const { message, fix } of strictRefusals({ name, limits, indexes }, field))
      told.push(check('qdrant', 'strict mode', 'error', `${name} ${message}`, fix));
    if ((readNeedsIndex || writeNeedsIndex) && !indexes.has(field)) {
      const text = `${name} refuses filters without an index, and ${field} has none`;
      told.push(check('qdrant', 'strict mode', 'error', text, `make a keyword index on ${field} in ${name}`));
    }
    if (maxPayloadBytes !== undefined) {
      const text = `${name} takes no write at ${maxPayloadBytes} bytes of payloads; how many it has the server does not tell`;
      const fix = 'a move tries it before it writes; if refused, raise max_collection_payload_size_bytes';
      told.push(check('qdrant', 'strict mode', 'warning', text, fix));
    }
    if (readRateLimit !== undefined) {
      const text = `${name} lets ${readRateLimit} reads a minute be made`;
      told.push(check('qdrant', 'rate limit', 'warning', text, 'raise read_rate_limit meanwhile: a move reads often'));
    }
    if (writeRateLimit !== undefined) {
      const text = `${name} lets ${writeRateLimit} points a minute be written`;
      told.push(
        check(
          'qdrant',
          'rate limit',
          'warning',
          text,
          'the move keeps to it and takes accordingly long; raise write_rate_limit meanwhile',
        ),
      );
    }
    if (maxQueryLimit !== undefined && maxQueryLimit < 100) {
      const text = `${name} answers with ${maxQueryLimit} points a request at most`;
      told.push(
        check(
          'qdrant',
          'strict mode',
          'warning',
          text,
          'raise max_query_limit: a page of that size costs a round trip',
        ),
      );
    }
    return told;
  });
  return checks.length > 0 ? checks : [check('qdrant', 'strict mode', 'ok', 'no limit that a move would meet')];
}
