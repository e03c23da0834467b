import type { DerivedName } from '../model/derived-name.ts';
import type { PointIdScheme } from '../model/point-id.ts';
import type { ValueField } from '../model/value-field.ts';

/** What belongs to a tenant in an application's stores, as data. */
export interface Profile {
  readonly name: string;
  /** Redis keys. `{tenant}` stands for the id, a trailing `*` for any rest. */
  readonly keyTemplates: readonly string[];
  /** Where Redis values name their tenant; each template is one of `keyTemplates`. */
  readonly values: readonly ValueField[];
  /** Redis keys that the config stage owns: the redis stage leaves them alone. */
  readonly configKeyTemplates: readonly string[];
  /** Characters that no tenant id of this application may hold. */
  readonly forbiddenInIds: string;
  /** Qdrant payload field that holds the tenant. */
  readonly qdrantField: string;
  /** Names of Qdrant collections and aliases that belong to one tenant as a whole, such as `{tenant}_docs`. */
  readonly collectionTemplates: readonly string[];
  /** Whether such a collection is copied to its new name, or gets it as an alias. */
  readonly collectionMode: 'copy' | 'alias';
  /** How Qdrant point ids may derive from the tenant. */
  readonly pointIdSchemes: readonly PointIdScheme[];
  /** Graph label, and relationship type, of a tenant, with `{tenant}` for the id; the id itself where absent. */
  readonly graphLabel?: string;
  /** Properties of nodes that hold the tenant's id. Such a node is the tenant's without its label too. */
  readonly graphProperties?: readonly string[];
  /** Names of graph indexes that the application makes from a tenant's label; any other keeps its text but for the id. */
  readonly graphIndexNames?: readonly DerivedName[];
  /** Config API. */
  readonly config: ConfigShape;
}

export interface ConfigShape {
  /** Path of a tenant's config; `{tenant}` is percent-encoded. */
  readonly path: string;
  /** Path at which the server is told to read the tenant's config anew; `{tenant}` as in `path`. */
  readonly refreshPath: string;
  /** The fields that PUT takes; only these are sent and compared. */
  readonly sections: readonly string[];
  /** Members at the top of a section that the API masks. */
  readonly maskedMembers: readonly string[];
}
