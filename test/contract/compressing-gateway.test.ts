import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runUrlHook } from '../../src/hooks/run-url-hook.ts';
import { httpProbe } from '../../src/probes/http-probe.ts';
import { openConfigReader } from '../../src/stores/config-api/config-api.ts';
import { openConfigHealth } from '../../src/stores/config-api/config-health.ts';
import { openQdrantHealth } from '../../src/stores/qdrant/qdrant-health.ts';
import { openQdrantReader, openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { startCompressingGateway } from '../support/compressing-gateway.ts';
import { type ConfigApiStandIn, startConfigApiStandIn } from '../support/config-api-stand-in.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD, makeTenants, wholeMove } from '../support/qdrant-tenants.ts';
import { pointsOf, QdrantWorld, withField } from '../support/qdrant-world.ts';

let qdrant: QdrantStandIn;
let api: ConfigApiStandIn;

beforeAll(async () => {
  [qdrant, api] = await Promise.all([startQdrantStandIn(), startConfigApiStandIn({})]);
});

afterAll(async () => {
  await Promise.all([qdrant.close(), api.close()]);
});

describe.each([[['gzip']], [['br']], [['deflate']], [['gzip', 'br']]])(
  'behind a gateway that sends %j unasked',
  (codings) => {
    it('a move in Qdrant is the same', async () => {
      const gateway = await startCompressingGateway(qdrant.url, codings);
      const world = new QdrantWorld(qdrant.url);
      const { move } = await makeTenants(world);
      const before = await world.states();
      const store = await openQdrantWriter({ url: gateway.url, timeoutMs: 20_000 });
      const { findings } = await wholeMove(store, move, { verify: 'full' });
      expect(findings.filter(({ severity }) => severity === 'difference')).toEqual([]);
      expect(pointsOf(await world.states())).toEqual(withField(before, FIELD, move));
      const health = await openQdrantHealth({ url: gateway.url, timeoutMs: 20_000 });
      expect((await health.reach()).version).toBe('1.17.1');
      await Promise.all([store.close(), health.close(), world.close()]);
      await gateway.close();
    });

    it('a config is read', async () => {
      const gateway = await startCompressingGateway(api.url, codings);
      api.seed('siraya', { llm_config: { model: 'größer' } });
      const settings = {
        url: gateway.url,
        path: '/tenants/{tenant}/config',
        method: 'PUT',
        timeoutMs: 5_000,
      } as const;
      const reader = await openConfigReader(settings);
      expect(JSON.stringify(await reader.get('siraya'))).toContain('größer');
      const health = await openConfigHealth(settings);
      expect((await health.reach('siraya')).ms).toHaveLength(3);
      await Promise.all([reader.close(), health.close()]);
      await gateway.close();
    });

    it('what a hook and a probe say is told in plain words', async () => {
      const hook = createServer((_, response) => response.writeHead(423).end('not on a Friday'));
      await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
      const gateway = await startCompressingGateway(
        `http://127.0.0.1:${(hook.address() as AddressInfo).port}`,
        codings,
      );
      const how = { input: '{}', token: undefined, timeoutMs: 5_000, signal: undefined };
      expect(await runUrlHook(new URL(gateway.url), how)).toEqual({ problem: 'status 423', output: 'not on a Friday' });
      const probe = httpProbe({ url: gateway.url }, 'it');
      expect((await probe.look(AbortSignal.timeout(5_000))).reason).toBe('it says not on a Friday');
      await probe.close();
      await gateway.close();
      hook.close();
    });
  },
);

it('a coding that nobody knows is named', async () => {
  const gateway = await startCompressingGateway(qdrant.url, ['shrink']);
  const reader = await openQdrantReader({
    url: gateway.url,
    timeoutMs: 5_000,
    retry: { retries: 0, delayMs: 1, backoff: 1 },
  });
  await expect(reader.version()).rejects.toThrow('encoded as shrink, which was not asked for');
  await reader.close();
  await gateway.close();
});
