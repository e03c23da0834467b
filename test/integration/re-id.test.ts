import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seedTenant } from '../../scripts/seed.ts';
import type { CliResult } from '../support/cli.ts';
import { runCliHere } from '../support/cli-in-process.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { freshId } from '../support/stores.ts';
import { movedWorld, readWorld, worldDifferences } from '../support/world.ts';

const OTHERS = ['--skip-config', '--skip-redis', '--skip-memgraph'];

describe('a tenant whose point ids LightRAG made', () => {
  let qdrant: Awaited<ReturnType<typeof startQdrantStandIn>>;
  let source: string;
  let target: string;
  let state: string;
  const world = () => readWorld({ qdrantUrl: qdrant.url });
  const run = (args: readonly string[]): Promise<CliResult> =>
    runCliHere([...args, '--qdrant-url', qdrant.url, ...OTHERS, '--json', '--state-dir', state]);

  beforeAll(async () => {
    qdrant = await startQdrantStandIn();
  });
  afterAll(() => qdrant.close());
  beforeEach(async () => {
    [source, target] = [freshId('acme'), freshId('tenant')];
    state = mkdtempSync(join(tmpdir(), 'tenant-migrate-re-id-'));
    const size = { keys: 0, points: { lightrag_vdb_entities: 60 }, nodes: 0, relationships: 0 };
    const options = { qdrantUrl: qdrant.url, idScheme: 'lightrag', dimensions: 8 } as const;
    for (const tenant of [source, `${source}_eu`]) await seedTenant({ tenant, ...size }, options);
  });

  it('is moved to the ids that are made from the target, and back', async () => {
    const before = await world();
    const dry = await run([source, target, '--dry-run']);
    expect(dry.code).toBe(0);
    expect(worldDifferences(before, await world())).toEqual([]);
    const moved = await run([source, target]);
    expect([moved.code, moved.json().message]).toEqual([0, 'moved and verified']);
    expect(moved.json().stages).toContainEqual(expect.objectContaining({ name: 'qdrant', found: 60, moved: 60 }));
    expect(worldDifferences(movedWorld(before, source, target), await world())).toEqual([]);
    const verified = await run(['verify', source, target, '--verify', 'full']);
    expect([verified.code, verified.json().findings]).toEqual([0, expect.anything()]);
    expect((await run([source, target])).json().outcome).toBe('nothing-to-do');
    expect((await run(['rollback', String(moved.json().runId)])).code).toBe(0);
    expect(worldDifferences(before, await world())).toEqual([]);
  });

  it('stopped before and after its old points go is resumed to the same end, or rolled back', async () => {
    const before = await world();
    for (const path of [/points\?wait/, /points\/delete/]) {
      for (const ending of ['resume', 'rollback']) {
        qdrant.fail({ path, kind: 'status', status: 403, skip: 1, times: Number.POSITIVE_INFINITY });
        const failed = await run([source, target, '--batch-size', '25']);
        qdrant.clearFailures();
        expect(failed.code).toBe(4);
        const ended = await run([ending]);
        expect([ending, ended.code, ended.json().message]).toEqual([ending, 0, expect.any(String)]);
        const end = ending === 'resume' ? movedWorld(before, source, target) : before;
        expect(worldDifferences(end, await world())).toEqual([]);
        if (ending === 'resume') expect((await run(['rollback', String(failed.json().runId)])).code).toBe(0);
        expect(worldDifferences(before, await world())).toEqual([]);
      }
    }
  });

  it('moved without new ids is repaired by the same command, though the source is empty everywhere', async () => {
    const before = await world();
    const first = await run([source, target, '--qdrant-mode', 'payload']);
    expect(first.code).toBe(0);
    expect(first.json().findings).toContainEqual(expect.objectContaining({ kind: 'ids-derived-from-tenant' }));
    const between = await world();
    const repaired = await run([source, target]);
    expect([repaired.code, repaired.json().outcome]).toEqual([0, 'done']);
    expect(worldDifferences(movedWorld(before, source, target), await world())).toEqual([]);
    expect((await run(['rollback', String(repaired.json().runId)])).code).toBe(0);
    expect(worldDifferences(between, await world())).toEqual([]);
  });

  it('of another application is moved by the scheme that --point-id gives, and a wrong one is refused', async () => {
    const args = [source, target, '--profile', 'generic', '--qdrant-field', 'workspace_id'];
    const wrong = await run([...args, '--point-id', 'md5({tenant})']);
    expect([wrong.code, wrong.stderr]).toEqual([64, expect.stringContaining('names no {payload.<field>}')]);
    const before = await world();
    expect((await run([...args, '--qdrant-mode', 're-id'])).code).toBe(5);
    const moved = await run([...args, '--point-id', 'sha256-uuid4({tenant}{payload.id})']);
    expect(moved.code).toBe(0);
    expect(worldDifferences(movedWorld(before, source, target), await world())).toEqual([]);
  });
});
