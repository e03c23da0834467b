import { type Random, randomFor, sentence } from '../../../scripts/seed/random.ts';

/** What is written for one workspace, whatever its name. */
export interface Content {
  /** JSON values by namespace and id. */
  readonly values: Readonly<Record<string, Readonly<Record<string, object>>>>;
  /** By id; their status and file also stand in a sidecar of the namespace. */
  readonly documents: Readonly<Record<string, Document>>;
  /** By collection. */
  readonly vectors: Readonly<Record<string, readonly VectorRecord[]>>;
  readonly entities: readonly Entity[];
  readonly relations: readonly Relation[];
}

export interface Document {
  readonly status: string;
  readonly file_path: string;
  readonly created_at: string;
  readonly [member: string]: unknown;
}

export interface VectorRecord {
  /** LightRAG's own id, which its point's id is made from. */
  readonly id: string;
  readonly created_at: number;
  readonly vector: readonly number[];
  readonly meta: Readonly<Record<string, unknown>>;
}

export interface Entity {
  readonly entity_id: string;
  readonly [property: string]: unknown;
}

export interface Relation {
  readonly start: string;
  readonly end: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

const DIMENSIONS = 16;
const NOW = 1_767_225_600;

/** So many documents, entities and relations; the same each time. */
export function contentOf({ documents, entities }: { readonly documents: number; readonly entities: number }): Content {
  const random = randomFor(5, 'lightrag');
  const each = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
  const relations = each(entities - 1, (n) => relation(random, n));
  const chunks = each(documents * 2, (n) => ({ id: `chunk-${n}`, content: sentence(random, 9), doc: `doc-${n >> 1}` }));
  const named = (ids: readonly string[], value: (id: string) => object) =>
    Object.fromEntries(ids.map((id) => [id, value(id)]));
  const docIds = each(documents, (n) => `doc-${n}`);
  return {
    documents: Object.fromEntries(docIds.map((id, n) => [id, document(random, id, n)])),
    values: {
      full_docs: named(docIds, (id) => ({ content: `all of ${id}`, file_path: `${id}.pdf`, _id: id })),
      text_chunks: Object.fromEntries(chunks.map((one) => [one.id, textChunk(one)])),
      full_entities: named(docIds, (id) => ({ entity_names: ['Entity 0', 'Entity 1'], count: 2, _id: id })),
      full_relations: named(docIds, (id) => ({ relation_pairs: [['Entity 0', 'Entity 1']], count: 1, _id: id })),
      entity_chunks: named(
        each(entities, (n) => `Entity ${n}`),
        (id) => ({ chunk_ids: ['chunk-0'], count: 1, _id: id }),
      ),
      relation_chunks: named(
        relations.map(({ start, end }) => `${start}<SEP>${end}`),
        (id) => ({ chunk_ids: ['chunk-0'], count: 1, _id: id }),
      ),
      llm_response_cache: named(['default:extract:1', 'default:query:2'], (id) => ({ return: `said ${id}`, _id: id })),
    },
    vectors: {
      lightrag_vdb_chunks_test_model_16d: chunks.map(({ id, content, doc }) =>
        vectorRecord(random, id, { content, full_doc_id: doc, file_path: `${doc}.pdf` }),
      ),
      lightrag_vdb_entities_test_model_16d: each(entities, (n) =>
        vectorRecord(random, `ent-${n}`, { content: `Entity ${n} ${sentence(random, 4)}`, entity_name: `Entity ${n}` }),
      ),
      lightrag_vdb_relationships_test_model_16d: relations.map(({ start, end }, n) =>
        vectorRecord(random, `rel-${n}`, { content: `${start} and ${end}`, src_id: start, tgt_id: end }),
      ),
    },
    entities: each(entities, (n) => entity(random, n)),
    relations,
  };
}

function document(random: Random, id: string, n: number): Document {
  const content = sentence(random, 12);
  return {
    status: n % 7 === 6 ? 'failed' : 'processed',
    content_summary: content.slice(0, 20),
    content_length: content.length,
    file_path: `${id}.pdf`,
    created_at: `2026-01-01T00:00:${String(n % 60).padStart(2, '0')}+00:00`,
    updated_at: '2026-01-02T00:00:00+00:00',
    chunks_list: [`chunk-${2 * n}`, `chunk-${2 * n + 1}`],
  };
}

function textChunk({ id, content, doc }: { readonly id: string; readonly content: string; readonly doc: string }) {
  const rest = { chunk_order_index: 0, file_path: `${doc}.pdf`, llm_cache_list: [], create_time: NOW, _id: id };
  return { tokens: 9, content, full_doc_id: doc, ...rest };
}

function vectorRecord(random: Random, id: string, meta: Readonly<Record<string, unknown>>): VectorRecord {
  return { id, created_at: NOW, vector: Array.from({ length: DIMENSIONS }, () => random() * 2 - 1), meta };
}

function entity(random: Random, n: number): Entity {
  return {
    entity_id: `Entity ${n}`,
    entity_type: n % 3 === 0 ? 'person' : 'place',
    description: sentence(random, 8),
    source_id: `chunk-${n}`,
    file_path: `doc-${n}.pdf`,
    created_at: NOW + n,
  };
}

function relation(random: Random, n: number): Relation {
  return {
    start: `Entity ${n}`,
    end: `Entity ${n + 1}`,
    properties: {
      weight: 1 + n / 4,
      keywords: sentence(random, 2),
      description: sentence(random, 5),
      source_id: 'chunk-0',
    },
  };
}
