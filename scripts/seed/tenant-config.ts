import { hex, randomFor } from './random.ts';

/** A tenant's config as the application keeps it, secrets unmasked. The secrets are made up. */
export function tenantConfig(seed: number, tenant: string) {
  const random = randomFor(seed, tenant, 'config');
  return {
    llm_config: { provider: 'openrouter', model: 'gpt-4o-mini', api_key: `sk-${hex(random, 20)}`, temperature: 0.2 },
    embedding_config: { provider: 'deepinfra', model: 'bge-m3', dim: 1024, api_key: `di-${hex(random, 16)}` },
    rerank_config: { provider: 'deepinfra', model: 'rerank-v2', api_key: `di-${hex(random, 16)}`, top_n: 8 },
    ds_ocr_config: { base_url: 'http://ocr.internal:8002', timeout: 60, api_key: hex(random, 4) },
    mineru_config: {
      base_url: 'https://mineru.example/api/v4',
      model_version: 'vlm',
      api_token: `ey${hex(random, 24)}`,
    },
    custom_prompts: { entity_extraction: `Extract what ${tenant} would file.\nAnswer in one line.`, summary: null },
  };
}
