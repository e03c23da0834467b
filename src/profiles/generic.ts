import type { Profile } from './profile.ts';
import { ragApi } from './rag-api.ts';

/** Claims no key of its own: everything comes from `--key-template`, `--qdrant-field`, `--graph-label` and `--graph-property`. */
export const generic: Profile = {
  name: 'generic',
  keyTemplates: [],
  values: [],
  configKeyTemplates: [],
  forbiddenInIds: '',
  qdrantField: 'tenant',
  collectionTemplates: [],
  collectionMode: 'copy',
  pointIdSchemes: [],
  config: ragApi.config,
};
