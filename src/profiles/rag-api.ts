import type { Profile } from './profile.ts';

/** LightRAG 1.5's key-value namespaces: `{workspace}_{namespace}:{id}`. */
const LIGHTRAG_NAMESPACES = [
  'full_docs',
  'text_chunks',
  'llm_response_cache',
  'full_entities',
  'full_relations',
  'entity_chunks',
  'relation_chunks',
  'doc_status',
] as const;

/** The guide's application: a retrieval API on LightRAG. */
export const ragApi: Profile = {
  name: 'rag-api',
  keyTemplates: [
    ...LIGHTRAG_NAMESPACES.flatMap((namespace) => [`{tenant}_${namespace}:*`, `{tenant}_${namespace}__sched:*`]),
    // What a rebuild of the sidecar has made so far, where it was interrupted.
    '{tenant}_doc_status__sched_rebuild:*',
    '{tenant}:*',
    'task:{tenant}:*',
    'batch:{tenant}:*',
  ],
  values: [
    { template: 'task:{tenant}:*', field: 'tenant_id' },
    { template: 'batch:{tenant}:*', field: 'tenant_id' },
  ],
  configKeyTemplates: ['tenant:config:{tenant}'],
  forbiddenInIds: ':',
  qdrantField: 'workspace_id',
  // LightRAG's layout before 1.4.9, from which it fills the shared collections when it starts.
  collectionTemplates: ['{tenant}_chunks', '{tenant}_entities', '{tenant}_relationships'],
  collectionMode: 'copy',
  // `uuid.UUID(bytes=sha256(workspace + id).digest()[:16], version=4)` (lightrag/kg/qdrant_impl.py).
  pointIdSchemes: [{ name: 'LightRAG', make: 'sha256-uuid4', text: '{tenant}{payload.id}' }],
  // `lightrag/kg/neo4j_impl.py`: an index of another name on the same label keeps it from making its own.
  graphIndexNames: [
    {
      template: 'entity_id_fulltext_idx_{name}',
      steps: [
        { replace: 'A-Za-z0-9_', by: '_' },
        { strip: '_' },
        { whenEmpty: 'base' },
        { prefix: 'ws_', unless: 'A-Za-z_' },
      ],
      former: [[{ replace: 'A-Za-z0-9_', by: '_', each: true }]],
    },
  ],
  config: {
    path: '/tenants/{tenant}/config',
    refreshPath: '/tenants/{tenant}/config/refresh',
    sections: ['llm_config', 'embedding_config', 'rerank_config', 'ds_ocr_config', 'mineru_config', 'custom_prompts'],
    maskedMembers: ['api_key', 'api_token'],
  },
};
