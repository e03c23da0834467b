import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { RunPlan } from '../../src/report/report.ts';
import { runCli } from '../support/cli.ts';
import { freshLabel, type RawGraph, rawGraph } from '../support/graph.ts';
import { movedWorld, readWorld, worldDifferences } from '../support/world.ts';

const url = inject('graphUrl');

describe.skipIf(url === '')('a tenant of the graph alone', () => {
  let raw: RawGraph;
  const [source, target] = [freshLabel('si.raya'), freshLabel('tenant-x')];
  const other = freshLabel('other');
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-graph-'));
  const flags = ['--only', 'graph', '--graph-url', url, '--state-dir', join(cwd, 'state')];
  const own = [...flags, '--graph-property', 'workspace'];
  const world = () => readWorld({ graphUrl: url, tenants: [source, target, other] });

  beforeAll(async () => {
    raw = rawGraph({ url });
    await raw.plant(source, 40, { labels: ['Person'] });
    await raw.plant(other, 3);
    await raw.run(`MATCH (n:\`${source}\`) WHERE n.rank < 20 SET n.workspace = $source`, { source });
    await raw.run(`MATCH (n:\`${other}\`) SET n.workspace = $other`, { other });
    const name = `entity_id_fulltext_idx_${source.replace(/\W/g, '_')}`;
    await raw.run(`CREATE INDEX FOR (n:\`${source}\`) ON (n.entity_id)`);
    await raw.run(`CREATE INDEX FOR (n:\`${other}\`) ON (n.entity_id)`);
    await raw.run(`CREATE FULLTEXT INDEX ${name} FOR (n:\`${source}\`) ON EACH [n.entity_id]
      OPTIONS {indexConfig: {\`fulltext.analyzer\`: 'cjk', \`fulltext.eventually_consistent\`: true}}`);
    await raw.run('CALL db.awaitIndexes(60)');
  });
  afterAll(async () => {
    await raw.clear([source, target, other]);
    await raw.close();
  });

  it('is planned with every statement, moved with indexes and properties, verified, and taken back', async () => {
    const before = await world();
    const [text, json] = await Promise.all([
      runCli(['plan', source, target, ...own, '--show-statements'], { cwd }),
      runCli(['plan', source, target, ...own, '--json'], { cwd }),
    ]);
    expect([text.code, json.code]).toEqual([0, 0]);
    const [graph] = (json.json() as unknown as RunPlan).stages;
    const statements = graph?.statements ?? [];
    expect(statements.length).toBeGreaterThan(8);
    for (const statement of statements) expect(text.stdout).toContain(`  ${statement};`);
    expect(statements[0]).toMatch(/^CREATE .* IF NOT EXISTS FOR \(n:`tenant-x_/);
    expect(statements.at(-1)).toMatch(/^DROP INDEX /);
    expect(worldDifferences(before, await world())).toEqual([]);

    const moved = await runCli([source, target, ...own, '--verify', 'full', '--json'], { cwd });
    expect(moved.json()).toMatchObject({ outcome: 'done', stages: [{}, {}, {}, { found: 40, moved: 40 }] });
    const expected = new Map(
      [...movedWorld(before, source, target)].map(([name, record]) => [
        name,
        record.replace(`"workspace":${JSON.stringify(source)}`, () => `"workspace":${JSON.stringify(target)}`),
      ]),
    );
    expect(worldDifferences(expected, await world())).toEqual([]);
    expect((await runCli(['verify', source, target, ...own], { cwd })).code).toBe(0);

    const back = await runCli(
      [
        'rollback',
        moved.json().runId as string,
        '--yes',
        '--json',
        '--graph-url',
        url,
        '--state-dir',
        join(cwd, 'state'),
      ],
      { cwd },
    );
    expect(back.json()).toMatchObject({ outcome: 'rolled-back', exitCode: 0 });
    expect(worldDifferences(before, await world())).toEqual([]);
  }, 120_000);
});
