import { expect, it } from 'vitest';
import { readSettings } from '../../../src/cli/settings.ts';
import { bindStage, type CommonContext } from '../../../src/orchestrator/bound-stage.ts';
import { ragApi } from '../../../src/profiles/rag-api.ts';
import type { Stage } from '../../../src/stages/stage.ts';
import { wireStages } from '../../../src/wire.ts';

it('only the stages that take part are built', async () => {
  const read = await readSettings({ command: 'move', flags: {}, env: {} });
  // A host that no URL can hold: the graph stage cannot be built with it.
  const settings = { ...read, 'memgraph-host': 'a b' };
  const wiring = { settings, profile: ragApi, secrets: undefined, emit: () => undefined };
  expect(() => wireStages(wiring, [])).toThrow();
  expect(wireStages(wiring, ['graph', 'config']).map(({ name }) => name)).toEqual(['redis', 'qdrant']);
});

it('a stage closes both its connections, also where one cannot be closed', async () => {
  const closed: string[] = [];
  const connection = (name: string) => ({
    close: async () => {
      closed.push(name);
      throw new Error(`${name} cannot be closed`);
    },
  });
  const stage = { name: 'redis', preflight: async () => [] } as unknown as Stage<object, object>;
  const bound = bindStage(stage, {
    address: 'x',
    openReader: async () => connection('reader'),
    openWriter: async () => connection('writer'),
  });
  await bound.preflight([], {} as CommonContext, true);
  await expect(bound.close()).rejects.toThrow('reader cannot be closed');
  expect(closed).toEqual(['reader', 'writer']);
});
