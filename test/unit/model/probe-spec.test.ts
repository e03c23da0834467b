import { describe, expect, test } from 'vitest';
import { nameOf, parseProbes } from '../../../src/model/probe-spec.ts';

const names = (...items: readonly string[]) => {
  const probes = parseProbes(items);
  return typeof probes === 'string' ? probes : probes.map(nameOf);
};

describe('--probe', () => {
  test('reads levels in the unit of each probe', () => {
    expect(parseProbes(['redis-latency:slow=20ms,pause=100ms,abort=2s', 'redis-memory:pause=85%,abort=95%'])).toEqual([
      { kind: 'redis-latency', levels: { slow: 20, pause: 100, abort: 2_000 } },
      { kind: 'redis-memory', levels: { pause: 0.85, abort: 0.95 } },
    ]);
    expect(parseProbes(['qdrant-queue:slow=100,pause=1000', 'qdrant-optimizer:pause=yellow'])).toEqual([
      { kind: 'qdrant-queue', levels: { slow: 100, pause: 1_000 } },
      { kind: 'qdrant-optimizer', levels: { pause: 'yellow' } },
    ]);
  });

  test('reads files, hooks, and all stores at once', () => {
    expect(names('file:/tmp/throttle', 'panic-file:/tmp/panic')).toEqual([
      'file /tmp/throttle',
      'panic-file /tmp/panic',
    ]);
    expect(names('http:https://ops.example/health?token=x')).toEqual(['https://ops.example/health']);
    expect(names('http://127.0.0.1:8080/')).toEqual(['http://127.0.0.1:8080/']);
    expect(names('stores')).toEqual([
      'redis-latency',
      'redis-memory',
      'qdrant-optimizer',
      'qdrant-queue',
      'graph-memory',
    ]);
  });

  test('puts together what the environment has split at commas', () => {
    expect(parseProbes(['redis-latency:slow=20ms', 'pause=100ms', 'qdrant-queue'])).toEqual(
      parseProbes(['redis-latency:slow=20ms,pause=100ms', 'qdrant-queue']),
    );
  });

  test.each([
    ['redis-lag', /names no probe in 'redis-lag'/],
    ['redis-latency:', /says nothing/],
    ['redis-latency:slow=20', /cannot be read at 'slow=20'/],
    ['redis-latency:stop=20ms', /cannot be read at 'stop=20ms'/],
    ['redis-memory:pause=20ms', /cannot be read/],
    ['redis-latency:slow=100ms,pause=20ms', /do not rise/],
    ['redis-latency:slow=1ms,slow=2ms', /once each/],
    ['qdrant-optimizer:slow=green', /cannot be read/],
    ['qdrant-optimizer:slow=red,pause=yellow', /do not rise/],
    ['file:throttle', /whole path/],
    ['http://', /no address/],
    ['http://user:secret@host/', /process list/],
    ['constructor:slow=1', /names no probe/],
  ])('refuses %s', (text, why) => {
    expect(parseProbes([text])).toMatch(why);
  });

  test('refuses the same probe twice', () => {
    expect(parseProbes(['stores', 'redis-latency'])).toMatch(/names redis-latency twice/);
  });
});
