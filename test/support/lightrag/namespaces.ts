/** LightRAG's key-value namespaces, written down apart from the profile that the tests try. */
export const NAMESPACES: readonly string[] = [
  'full_docs',
  'text_chunks',
  'llm_response_cache',
  'full_entities',
  'full_relations',
  'entity_chunks',
  'relation_chunks',
  'doc_status',
];
