/** How LightRAG 1.5.7 names the full-text index of a workspace (`lightrag/kg/neo4j_impl.py`); shares nothing with `src`. */
export function fulltextIndexName(workspace: string): string {
  const plain = workspace.replace(/[^A-Za-z0-9_]+/gu, '_').replace(/^_+|_+$/g, '') || 'base';
  return `entity_id_fulltext_idx_${/^[0-9]/.test(plain) ? 'ws_' : ''}${plain}`;
}
