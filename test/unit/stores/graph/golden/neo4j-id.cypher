// the server
SHOW VERSION;
CALL dbms.components() YIELD versions RETURN versions[0] AS version;
SHOW SETTINGS 'db.transaction.timeout' YIELD value RETURN value;
CALL dbms.queryJmx('java.lang:type=Memory') YIELD attributes RETURN attributes.HeapMemoryUsage.value.properties AS heap;
SHOW PRIVILEGES AS COMMANDS YIELD command RETURN command;
SHOW DATABASES YIELD name;
CALL db.labels() YIELD label RETURN label;
SHOW TRANSACTIONS YIELD transactionId, status, metaData AS metadata;

// what a broken process left
CALL dbms.listConnections() YIELD connectionId, userAgent RETURN connectionId AS id, userAgent AS name;
CALL dbms.killConnections($ids) YIELD connectionId RETURN connectionId;
TERMINATE TRANSACTIONS "neo4j-transaction-7", "second-8";

// plan and verify
MATCH (n:`siraya`) RETURN 0 AS i, count(n) AS count UNION ALL MATCH (n:`tenant ``x```) RETURN 1 AS i, count(n) AS count UNION ALL MATCH (n:`siraya`:`tenant ``x```) RETURN 2 AS i, count(n) AS count;
MATCH (n:`siraya`) RETURN labels(n) AS labels, count(n) AS count;
MATCH (n:`tenant ``x```) WHERE NOT n:`siraya` RETURN labels(n) AS labels, count(n) AS count;
MATCH (n:`siraya`)-[r]->() RETURN 'out' AS direction, type(r) AS type, count(r) AS count UNION ALL MATCH (n:`siraya`)<-[r]-() RETURN 'in' AS direction, type(r) AS type, count(r) AS count;
MATCH (n:`tenant ``x```)-[r]->() WHERE NOT n:`siraya` RETURN 'out' AS direction, type(r) AS type, count(r) AS count UNION ALL MATCH (n:`tenant ``x```)<-[r]-() WHERE NOT n:`siraya` RETURN 'in' AS direction, type(r) AS type, count(r) AS count;
MATCH (n:`siraya`) RETURN id(n) AS id;
MATCH (n:`siraya`) WITH n WHERE id(n) >= $low AND id(n) < $high RETURN id(n) AS id;
MATCH (n:`siraya`) RETURN min(id(n)) AS low, max(id(n)) AS high, count(n) AS count;
MATCH (n:`siraya`) RETURN id(n) AS id LIMIT $limit;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i RETURN id(n) AS id, labels(n) AS labels, properties(n) AS properties;
MATCH (n:`siraya`) RETURN id(n) AS id, labels(n) AS labels, properties(n) AS properties;
MATCH (n:`tenant ``x```) WHERE NOT n:`siraya` RETURN id(n) AS id, labels(n) AS labels, properties(n) AS properties;
MATCH (n:`tenant ``x```) WHERE NOT n:`siraya` WITH n WHERE id(n) >= $low AND id(n) < $high RETURN id(n) AS id;
MATCH (a:`siraya`) MATCH (b:`tenant ``x```) WHERE b.`entity_id` = a.`entity_id` AND b.`k` = a.`k` AND NOT b:`siraya` RETURN count(*) AS count;
MATCH (a:`siraya`) MATCH (b:`tenant ``x```) WHERE CASE WHEN b.`workspace` = $from THEN $to ELSE b.`workspace` END = CASE WHEN a.`workspace` = $from THEN $to ELSE a.`workspace` END AND b.`k` = a.`k` AND NOT b:`siraya` RETURN count(*) AS count;
MATCH (a:`Entity`) WHERE a.`workspace` = $from MATCH (b:`Entity`) WHERE CASE WHEN b.`workspace` = $from THEN $to ELSE b.`workspace` END = CASE WHEN a.`workspace` = $from THEN $to ELSE a.`workspace` END AND b.`name` = a.`name` AND b <> a RETURN count(DISTINCT a) AS count, min(a.`name`) AS value;
MATCH (a:`Entity`) WHERE a.`workspace` = $from OR a.`odd ``name``` = $from MATCH (b:`Entity`) WHERE CASE WHEN b.`workspace` = $from THEN $to ELSE b.`workspace` END = CASE WHEN a.`workspace` = $from THEN $to ELSE a.`workspace` END AND CASE WHEN b.`odd ``name``` = $from THEN $to ELSE b.`odd ``name``` END = CASE WHEN a.`odd ``name``` = $from THEN $to ELSE a.`odd ``name``` END AND b <> a RETURN count(DISTINCT a) AS count, null AS value;
MATCH (n:`siraya`) WITH n.`entity_id` AS v0, n.`k` AS v1, count(n) AS nodes WHERE nodes > 1 AND v0 IS NOT NULL AND v1 IS NOT NULL RETURN count(*) AS count;
MATCH (n:`siraya`) WHERE n.`entity_id` IS NULL OR n.`k` IS NULL RETURN count(n) AS count;
MATCH ()-[r:`siraya`]->() RETURN 0 AS i, count(r) AS count UNION ALL MATCH ()-[r:`tenant ``x```]->() RETURN 1 AS i, count(r) AS count;
MATCH (a)-[r:`siraya`]->(b) WHERE NOT (a:`siraya` OR a:`tenant ``x``` OR b:`siraya` OR b:`tenant ``x```) RETURN count(r) AS count;
MATCH (n:`siraya`) WITH n LIMIT 1 SET n:`tenant ``x``` REMOVE n:`siraya`;
MATCH (n:`siraya`) WITH n LIMIT 1 SET n:`tenant ``x``` REMOVE n:`siraya`;
MATCH (n) WHERE (coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) WITH n LIMIT 1 SET n.`workspace` = n.`workspace`, n.`odd ``name``` = n.`odd ``name```;

// nodes
MATCH (n:`siraya`) WITH n, labels(n) AS labels WHERE $source IN labels RETURN id(n) AS id, $target IN labels AS had;
MATCH (n:`siraya`) WITH n WHERE id(n) >= $low AND id(n) < $high WITH n, labels(n) AS labels WHERE $source IN labels RETURN id(n) AS id, $target IN labels AS had;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i AND n:`siraya` SET n:`tenant ``x``` REMOVE n:`siraya` RETURN count(n) AS count;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i AND n:`tenant ``x``` AND NOT n:`siraya` RETURN count(n) AS count;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i AND n:`tenant ``x``` AND NOT n:`siraya` SET n:`siraya` REMOVE n:`tenant ``x``` RETURN count(n) AS count;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i AND n:`tenant ``x``` AND NOT n:`siraya` SET n:`siraya` RETURN count(n) AS count;

// a tenant in properties
MATCH (n:`siraya`) WITH n, labels(n) AS labels WHERE $source IN labels RETURN id(n) AS id, $target IN labels AS had, [coalesce(n.`workspace` = $from, false), coalesce(n.`odd ``name``` = $from, false)] AS held;
MATCH (n) WHERE (coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) WITH n, labels(n) AS labels WHERE NOT $source IN labels RETURN id(n) AS id, $target IN labels AS had, [coalesce(n.`workspace` = $from, false), coalesce(n.`odd ``name``` = $from, false)] AS held;
MATCH (n) WHERE (coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) WITH n WHERE id(n) >= $low AND id(n) < $high WITH n, labels(n) AS labels WHERE NOT $source IN labels RETURN id(n) AS id, $target IN labels AS had, [coalesce(n.`workspace` = $from, false), coalesce(n.`odd ``name``` = $from, false)] AS held;
MATCH (n) WHERE (coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) RETURN min(id(n)) AS low, max(id(n)) AS high, count(n) AS count;
MATCH (n) WHERE ((coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) OR (coalesce(n.`workspace` = $to, false) OR coalesce(n.`odd ``name``` = $to, false))) AND NOT n:`siraya` WITH n, (coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) AS ours WHERE ours OR NOT n:`tenant ``x``` RETURN sum(CASE WHEN ours THEN 1 ELSE 0 END) AS source, sum(CASE WHEN ours THEN 0 ELSE 1 END) AS target;
MATCH (n) WHERE ((coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) OR (coalesce(n.`workspace` = $to, false) OR coalesce(n.`odd ``name``` = $to, false))) AND NOT n:`siraya` AND NOT n:`tenant ``x``` RETURN id(n) AS id, labels(n) AS labels, properties(n) AS properties;
MATCH (n) WHERE ((coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) OR (coalesce(n.`workspace` = $to, false) OR coalesce(n.`odd ``name``` = $to, false))) AND NOT n:`siraya` AND NOT n:`tenant ``x``` WITH n WHERE id(n) >= $low AND id(n) < $high RETURN id(n) AS id;
MATCH (n) WHERE n:`siraya` OR (coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) MATCH (n)-[r]-() WHERE (coalesce(r.`workspace` = $from, false) OR coalesce(r.`odd ``name``` = $from, false)) RETURN count(DISTINCT r) AS count;
MATCH (a)-[r:`siraya`]->(b) WHERE NOT (a:`siraya` OR a:`tenant ``x``` OR (coalesce(a.`workspace` = $from, false) OR coalesce(a.`odd ``name``` = $from, false)) OR (coalesce(a.`workspace` = $to, false) OR coalesce(a.`odd ``name``` = $to, false)) OR b:`siraya` OR b:`tenant ``x``` OR (coalesce(b.`workspace` = $from, false) OR coalesce(b.`odd ``name``` = $from, false)) OR (coalesce(b.`workspace` = $to, false) OR coalesce(b.`odd ``name``` = $to, false))) RETURN count(r) AS count;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i AND (n:`siraya` OR (coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false))) FOREACH (_ IN CASE WHEN n:`siraya` THEN [1] ELSE [] END | SET n:`tenant ``x``` REMOVE n:`siraya`) FOREACH (_ IN CASE WHEN n.`workspace` = $from THEN [1] ELSE [] END | SET n.`workspace` = $to) FOREACH (_ IN CASE WHEN n.`odd ``name``` = $from THEN [1] ELSE [] END | SET n.`odd ``name``` = $to) RETURN count(n) AS count;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i AND (n:`tenant ``x``` OR (coalesce(n.`workspace` = $to, false) OR coalesce(n.`odd ``name``` = $to, false))) AND NOT n:`siraya` AND NOT (coalesce(n.`workspace` = $from, false) OR coalesce(n.`odd ``name``` = $from, false)) RETURN count(n) AS count;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i AND n.`odd ``name``` = $to SET n.`odd ``name``` = $from RETURN id(n) AS id;

// a tenant as a relationship type
MATCH (a)-[r:`siraya`]->(b) RETURN id(r) AS id, id(a) AS start, id(b) AS end, properties(r) AS properties;
UNWIND $ids AS i MATCH (a)-[r:`siraya`]->(b) WHERE id(a) = i RETURN id(r) AS id, id(a) AS start, id(b) AS end, properties(r) AS properties;
UNWIND $rows AS row MATCH (a)-[r:`siraya`]->(b) WHERE id(r) = row.id AND id(a) = row.start AND id(b) = row.end CREATE (a)-[x:`tenant ``x```]->(b) FOREACH (one IN CASE WHEN size(keys(r)) = 0 THEN [] ELSE [1] END | SET x = properties(r)) DELETE r RETURN row.id AS old, id(x) AS id;

// backups
MATCH (n:`siraya`)-[r]->(m) WITH n, r, m, NOT $label IN labels(m) AS leaves RETURN id(r) AS id, type(r) AS type, properties(r) AS properties, id(n) AS start, id(m) AS end, CASE WHEN leaves THEN 'end' ELSE null END AS outside, CASE WHEN leaves THEN labels(m) ELSE null END AS otherLabels, CASE WHEN leaves THEN properties(m) ELSE null END AS otherProperties;
MATCH (n:`siraya`)<-[r]-(m) WHERE NOT $label IN labels(m) RETURN id(r) AS id, type(r) AS type, properties(r) AS properties, id(m) AS start, id(n) AS end, 'start' AS outside, labels(m) AS otherLabels, properties(m) AS otherProperties;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i MATCH (n:`siraya`)-[r]->(m) WITH n, r, m, NOT $label IN labels(m) AS leaves RETURN id(r) AS id, type(r) AS type, properties(r) AS properties, id(n) AS start, id(m) AS end, CASE WHEN leaves THEN 'end' ELSE null END AS outside, CASE WHEN leaves THEN labels(m) ELSE null END AS otherLabels, CASE WHEN leaves THEN properties(m) ELSE null END AS otherProperties;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i MATCH (n:`siraya`)<-[r]-(m) WHERE NOT $label IN labels(m) RETURN id(r) AS id, type(r) AS type, properties(r) AS properties, id(m) AS start, id(n) AS end, 'start' AS outside, labels(m) AS otherLabels, properties(m) AS otherProperties;
UNWIND $rows AS row CREATE (n:`siraya`:`Person`) SET n = row RETURN n.tenant_migrate_restore AS mark, id(n) AS id;
MATCH (n:`siraya`) WHERE n.tenant_migrate_restore IN $marks RETURN n.tenant_migrate_restore AS mark, id(n) AS id;
UNWIND $rows AS row MATCH (a) WHERE id(a) = row.start MATCH (b) WHERE id(b) = row.end MERGE (a)-[r:`odd ``type``` {tenant_migrate_restore: row.mark}]->(b) ON CREATE SET r += row.properties;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i REMOVE n.tenant_migrate_restore;
UNWIND $ids AS i MATCH (n) WHERE id(n) = i MATCH (n)-[r]-() WHERE r.tenant_migrate_restore IS NOT NULL REMOVE r.tenant_migrate_restore;

// indexes and constraints
SHOW INDEXES YIELD *;
SHOW CONSTRAINTS YIELD *;
CALL db.awaitIndex($name, 300);
DROP INDEX tenant_migrate_no_such_name IF EXISTS;
DROP CONSTRAINT tenant_migrate_no_such_name IF EXISTS;
CREATE RANGE INDEX `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) ON (n.`a`, n.`b`);
CREATE RANGE INDEX `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) ON (n.`q`);
CREATE TEXT INDEX `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) ON (n.`a`);
CREATE POINT INDEX `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) ON (n.`a`) OPTIONS {indexConfig: {`spatial.wgs-84.max`: [180.0, 90.0]}};
CREATE FULLTEXT INDEX `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```|`Other`) ON EACH [n.`a`, n.`siraya`] OPTIONS {indexConfig: {`fulltext.analyzer`: 'cjk',`fulltext.eventually_consistent`: true}};
CREATE VECTOR INDEX `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) ON (n.`v`) OPTIONS {indexConfig: {`vector.dimensions`: 3,`vector.similarity_function`: 'COSINE'}};
CREATE RANGE INDEX `idx_x` IF NOT EXISTS FOR ()-[r:`tenant ``x```]-() ON (r.`q`);
CREATE CONSTRAINT `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) REQUIRE (n.`c`, n.`d`) IS UNIQUE;
CREATE CONSTRAINT `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) REQUIRE (n.`c`) IS NODE KEY;
CREATE CONSTRAINT `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) REQUIRE (n.`c`) IS NOT NULL;
CREATE CONSTRAINT `idx_x` IF NOT EXISTS FOR (n:`tenant ``x```) REQUIRE (n.`c`) IS :: STRING;
CREATE CONSTRAINT `idx_x` IF NOT EXISTS FOR ()-[r:`tenant ``x```]-() REQUIRE (r.`c`) IS RELATIONSHIP KEY;
CREATE RANGE INDEX IF NOT EXISTS FOR (n:`tenant ``x```) ON (n.`q`);
CREATE FULLTEXT INDEX `idx_siraya` IF NOT EXISTS FOR (n:`siraya`|`Other`) ON EACH [n.`a`, n.`siraya`] OPTIONS {indexConfig: {`fulltext.analyzer`: 'cjk',`fulltext.eventually_consistent`: true}};
DROP INDEX `odd ``name``` IF EXISTS;
DROP CONSTRAINT `idx_siraya` IF EXISTS;
