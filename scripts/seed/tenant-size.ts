/** How much a seeded tenant has in each store. */
export interface TenantSize {
  readonly tenant: string;
  /** Keys that the profile claims; the config's record and unclaimed keys come on top. */
  readonly keys: number;
  /** Points by collection. */
  readonly points: Readonly<Record<string, number>>;
  readonly nodes: number;
  readonly relationships: number;
}

/** The tenant of the migration guide, with its numbers. */
export const guideTenant: TenantSize = {
  tenant: 'siraya',
  keys: 38_491,
  points: { lightrag_vdb_chunks: 544, lightrag_vdb_entities: 15_644, lightrag_vdb_relationships: 22_926 },
  nodes: 13_613,
  relationships: 13_600,
};

/** Three tenants whose ids contain `siraya`, and one that has nothing to do with it. */
export const neighbours: readonly TenantSize[] = ['siraya_eu', 'my_siraya', 'sirayax', 'other'].map((tenant) => ({
  tenant,
  keys: 600,
  points: { lightrag_vdb_chunks: 30, lightrag_vdb_entities: 120, lightrag_vdb_relationships: 150 },
  nodes: 200,
  relationships: 200,
}));

/** The same tenant, smaller or larger; never smaller than what shows every type of record. */
export function scaled(size: TenantSize, scale: number): TenantSize {
  if (scale === 1) return size;
  const atLeast = (count: number, least: number) => Math.max(least, Math.round(count * scale));
  return {
    tenant: size.tenant,
    keys: atLeast(size.keys, 60),
    points: Object.fromEntries(Object.entries(size.points).map(([name, count]) => [name, atLeast(count, 5)])),
    nodes: atLeast(size.nodes, 10),
    relationships: atLeast(size.relationships, 10),
  };
}
