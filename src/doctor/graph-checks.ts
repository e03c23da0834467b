import type { Check } from '../report/doctor-report.ts';
import type { GraphHealth } from '../stores/graph/graph-health.ts';
import { check, majorMinor, some } from './common-checks.ts';

const UNTESTED = 'begin with --dry-run, and with a tenant that matters less';
/** Any of these lets a user move nodes, as Neo4j words them. */
const MAY_LABEL = /^(set_label|remove_label|write|all_graph_privileges|graph_actions|dbms_actions)$/;

/** What a Neo4j or Memgraph says about itself, judged. */
export function graphChecks(health: GraphHealth): readonly Check[] {
  return [
    versionCheck(health),
    ...stateChecks(health),
    ...memoryChecks(health),
    timeLimitCheck(health),
    schemaCheck(health),
    rightsCheck(health),
  ];
}

function versionCheck({ server }: GraphHealth): Check {
  const { dialect, version } = server;
  const [major, minor] = majorMinor(version === '' ? '0' : version);
  if (dialect.name === 'memgraph') {
    const text = `Memgraph ${version}`.trim();
    if (version !== '' && (major < 2 || (major === 2 && minor < 10)))
      return check('graph', 'version', 'error', text, 'update it to Memgraph 2.10 or later');
    return check('graph', 'version', 'warning', `${text}: provided for, but not among the tested servers`, UNTESTED);
  }
  const text = `Neo4j ${version}`.trim();
  if (version !== '' && (major < 4 || (major === 4 && minor < 4)))
    return check('graph', 'version', 'error', text, 'update it to Neo4j 4.4 or later');
  if (major === 5) return check('graph', 'version', 'ok', text);
  return check('graph', 'version', 'warning', `${text}: not among the tested servers (Neo4j 5)`, UNTESTED);
}

function stateChecks({ state, database, server }: GraphHealth): readonly Check[] {
  const checks: Check[] = [];
  if (state.replica) {
    checks.push(
      check('graph', 'state', 'error', 'a replica: it takes no writes', 'give the address of the main server'),
    );
  }
  if (state.storageMode === 'IN_MEMORY_ANALYTICAL') {
    const fix =
      'run STORAGE MODE IN_MEMORY_TRANSACTIONAL; on the server: without transactions a failed batch stays half done';
    checks.push(check('graph', 'state', 'error', `storage mode ${state.storageMode}`, fix));
  }
  if (database !== undefined && database.status !== 'online') {
    const text = `database ${database.name} is ${database.status}`;
    checks.push(check('graph', 'state', 'error', text, `START DATABASE ${database.name}, or another --graph-database`));
  }
  if (database !== undefined && database.access !== 'read-write') {
    const text = `database ${database.name} is ${database.access}`;
    checks.push(
      check(
        'graph',
        'state',
        'error',
        text,
        `ALTER DATABASE ${database.name} SET ACCESS READ WRITE, or the writer’s address`,
      ),
    );
  }
  if (checks.length > 0) return checks;
  if (server.dialect.name === 'neo4j' && database === undefined) {
    const fix = 'see that --graph-database names the right one; SHOW DATABASES tells those that there are';
    return [check('graph', 'state', 'unchecked', 'the server does not tell about its database', fix)];
  }
  const text =
    database === undefined ? (state.storageMode ?? 'takes writes') : `database ${database.name}, ${database.access}`;
  return [check('graph', 'state', 'ok', text)];
}

function memoryChecks({ memory, used }: GraphHealth): readonly Check[] {
  const known = [...memory].filter(([, value]) => value !== 'null' && value !== 'No Value');
  const told = known.map(([name, value]) => `${name} ${value === '0B' ? 'unlimited' : value}`).join(', ');
  if (told === '') {
    const fix = 'look at the server’s own monitoring: a batch of a move holds some megabytes of transaction state';
    return [check('graph', 'memory', 'unchecked', 'the server does not tell its limits to this user', fix)];
  }
  const share = used === undefined ? 0 : used.usedBytes / used.limitBytes;
  if (share > 0.9)
    return [check('graph', 'memory', 'error', told, 'raise --memory-limit or free memory: a batch may be refused')];
  if (share > 0.75)
    return [
      check(
        'graph',
        'memory',
        'warning',
        told,
        'relabelling keeps the old labels until its garbage is collected: leave a quarter free',
      ),
    ];
  return [check('graph', 'memory', 'ok', told)];
}

/** A batch of a move takes seconds, also on a busy server. */
const SHORTEST_LIMIT_S = 60;

function timeLimitCheck({ timeLimit, server }: GraphHealth): Check {
  const isNeo4j = server.dialect.name === 'neo4j';
  const setting = isNeo4j ? 'db.transaction.timeout' : 'query.timeout';
  if (timeLimit === undefined) {
    const text = `the server does not tell this user its ${setting}${isNeo4j ? '' : ' (600 s unless set otherwise)'}`;
    const fix = isNeo4j
      ? `SHOW SETTINGS '${setting}' as an administrator`
      : 'SHOW DATABASE SETTINGS as an administrator';
    return check('graph', 'time limit', 'unchecked', text, fix);
  }
  if (timeLimit === 0) return check('graph', 'time limit', 'ok', 'none');
  const text = `the server ends a statement after ${timeLimit} s (${setting})`;
  if (timeLimit >= SHORTEST_LIMIT_S) return check('graph', 'time limit', 'ok', text);
  return check(
    'graph',
    'time limit',
    'warning',
    text,
    `raise it to ${SHORTEST_LIMIT_S} s, or take a smaller --batch-size`,
  );
}

function schemaCheck({ schemaNotOnline, schemaCount }: GraphHealth): Check {
  const failed = schemaNotOnline.filter(({ state }) => state === 'failed').map(({ name }) => name);
  if (failed.length > 0)
    return check(
      'graph',
      'indexes',
      'error',
      `failed: ${some(failed)}`,
      'drop each and make it anew: a move cannot copy a failed index',
    );
  const busy = schemaNotOnline.map(({ name }) => name);
  if (busy.length > 0)
    return check('graph', 'indexes', 'warning', `still being populated: ${some(busy)}`, 'wait until they are online');
  return check('graph', 'indexes', 'ok', `${schemaCount} indexes and constraints, all online`);
}

function rightsCheck({ privileges, server }: GraphHealth): Check {
  if (privileges === undefined) {
    const text = `${server.dialect.name === 'neo4j' ? 'a Community edition, or this user may not ask' : 'Memgraph tells no user its rights'}: whether labels may be set was not tried`;
    return check(
      'graph',
      'rights',
      'unchecked',
      text,
      'doctor <source> <target> --probe-writes tries it and rolls back',
    );
  }
  const granted = privileges.some(({ access, action }) => access === 'GRANTED' && MAY_LABEL.test(action));
  const denied = privileges.filter(({ access, action }) => access === 'DENIED' && MAY_LABEL.test(action));
  if (!granted || denied.length > 0) {
    const text =
      denied.length > 0 ? `denied: ${some(denied.map(({ action }) => action))}` : 'no right to set labels is granted';
    return check(
      'graph',
      'rights',
      'error',
      text,
      'grant SET LABEL and REMOVE LABEL for both labels (MIGRATION.md, "Rights")',
    );
  }
  return check('graph', 'rights', 'ok', 'labels may be set and removed');
}
