/** Statements that ask a graph server how it is. All read; what a server or user does not know or may not is left open. */
export const healthStatements = {
  ping: { text: 'RETURN 1 AS one' },
  /** Neo4j: one row for each database. */
  databases: {
    text: 'SHOW DATABASES YIELD name, access, currentStatus, home RETURN name, access, currentStatus, home',
  },
  /** Neo4j 5: limits of memory, as text. */
  memory: {
    text: "SHOW SETTINGS 'server.memory.heap.max_size', 'dbms.memory.transaction.total.max', 'db.memory.transaction.max' YIELD name, value RETURN name, value",
  },
  /** Neo4j Enterprise: what this user may do. */
  privileges: { text: 'SHOW USER PRIVILEGES YIELD access, action RETURN access, action' },
} as const;
