import { MigrateError } from '../../model/errors.ts';
import { type Move, tenantIdProblem } from '../../model/move.ts';
import type { GraphReader, GraphWriter } from '../../stores/graph/graph-store.ts';
import type { GraphMove } from '../../stores/graph/statements.ts';
import type { PlanContext, Problem } from '../stage.ts';
import { graphMoveOf } from './graph-move.ts';

/** See the contract. */
export async function preflightGraph(
  moves: readonly Move[],
  ctx: PlanContext<GraphReader>,
  probe?: GraphWriter,
): Promise<readonly Problem[]> {
  const problems = [...moves.flatMap(idProblems), ...serverProblems(ctx.store), ...(await stateProblems(ctx.store))];
  if (problems.length > 0 || probe === undefined) return problems;
  return writeProblems(
    moves.map((move) => graphMoveOf(move, ctx.profile)),
    probe,
  );
}

function idProblems({ source, target }: Move): readonly Problem[] {
  return [source, target].flatMap((id) => {
    const problem = tenantIdProblem(id);
    if (problem === undefined) return [];
    return [refusal('bad-label', `the id ${JSON.stringify(id)} ${problem}`, 'choose an id that can be a graph label')];
  });
}

function serverProblems({ server, address }: GraphReader): readonly Problem[] {
  const [major = 0, minor = 0] = server.version.split('.').map(Number);
  const memgraph = server.dialect.name === 'memgraph';
  if (
    server.version === '' ||
    (memgraph ? major > 2 || (major === 2 && minor >= 10) : major > 4 || (major === 4 && minor >= 4))
  )
    return [];
  const name = memgraph ? 'Memgraph' : 'Neo4j';
  const message = `${name} ${server.version} at ${address} is too old; it takes ${memgraph ? 'Memgraph 2.10' : 'Neo4j 4.4'} or later`;
  return [refusal('unsupported', message, 'upgrade the server, or leave the graph out with --skip-graph')];
}

async function stateProblems(store: GraphReader): Promise<readonly Problem[]> {
  const { storageMode, replica } = await store.state();
  const problems: Problem[] = [];
  if (replica) {
    const message = `${store.address} is a replica and takes no writes`;
    problems.push(
      refusal('replica', message, 'point --memgraph-host/--memgraph-port or --graph-url at the main server'),
    );
  }
  if (storageMode === 'IN_MEMORY_ANALYTICAL') {
    const message = `the graph store at ${store.address} is in storage mode ${storageMode}, in which a failed batch stays half done`;
    problems.push(refusal('no-transactions', message, 'run STORAGE MODE IN_MEMORY_TRANSACTIONAL; on the server first'));
  }
  return problems;
}

async function writeProblems(moves: readonly GraphMove[], probe: GraphWriter): Promise<readonly Problem[]> {
  const labels = moves.map(({ source }) => source);
  try {
    for (const move of moves) await rehearsed(move, probe);
    const ours = (await probe.schema()).filter((item) => item.labels.some((label) => labels.includes(label)));
    // The right to make and to drop differs for indexes and constraints only.
    for (const kind of ['index', 'constraint'] as const) {
      const item = ours.find((each) => each.kind === kind);
      if (item !== undefined) await probe.rehearseSchema(item);
    }
    return [];
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code !== 'denied') throw error;
    return [
      refusal(
        'denied',
        error.message,
        error.next ?? 'use a user that may change labels, and the indexes and constraints on them',
      ),
    ];
  }
}

/** A rule that refuses what one node would be has let it be written: the plan tells of rules. */
async function rehearsed(move: GraphMove, probe: GraphWriter): Promise<void> {
  try {
    await probe.rehearse(move);
  } catch (error) {
    const isRule = error instanceof MigrateError && /ConstraintValidation/.test(error.message);
    if (!isRule) throw error;
  }
}

function refusal(code: string, message: string, fix: string): Problem {
  return { stage: 'graph', code, message, fix };
}
