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
  collectionTemplates: [],
  collectionMode: 'copy',
  // `uuid.UUID(bytes=sha256(workspace + id).digest()[:16], version=4)` (lightrag/kg/qdrant_impl.py).
  pointIdSchemes: [{ name: 'LightRAG', make: 'sha256-uuid4', text: '{tenant}{payload.id}' }],
  config: {
    path: '/tenants/{tenant}/config',
    refreshPath: '/tenants/{tenant}/config/refresh',
    sections: ['llm_config', 'embedding_config', 'rerank_config', 'ds_ocr_config', 'mineru_config', 'custom_prompts'],
    maskedMembers: ['api_key', 'api_token'],
  },
};
