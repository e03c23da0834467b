import { Collection, type ServerWays } from './collection.ts';
import { isObject, type Json, type JsonObject } from './exact-json.ts';
import { badFormat, notFound, QdrantError, wrongInput } from './qdrant-error.ts';

const HEALTHY = { status: 'green', optimizer: 'ok' } as const;

/** Everything that the simulated server holds. */
export class Node {
  readonly collections = new Map<string, Collection>();
  /** Collection names by alias. */
  readonly aliases = new Map<string, string>();
  private readonly ways: ServerWays;

  constructor(ways: ServerWays = {}) {
    this.ways = ways;
  }

  get isBefore117(): boolean {
    return this.ways.isBefore117 === true;
  }

  /** By its name or an alias. */
  collection(name: string): Collection {
    const found = this.find(name);
    if (found === undefined) throw notFound(`Collection \`${name}\` doesn't exist!`);
    return found;
  }

  find(name: string): Collection | undefined {
    return this.collections.get(this.aliases.get(name) ?? name);
  }

  create(name: string, given: JsonObject): void {
    if (this.collections.has(name)) throw new QdrantError(409, `Wrong input: Collection \`${name}\` already exists!`);
    if (this.aliases.has(name))
      throw wrongInput(`Can't create collection with name ${name}. Alias with the same name already exists`);
    this.collections.set(name, new Collection(given, this.ways));
  }

  delete(name: string): boolean {
    for (const [alias, collection] of this.aliases) if (collection === name) this.aliases.delete(alias);
    return this.collections.delete(name);
  }

  changeAliases(actions: Json | undefined): void {
    if (!Array.isArray(actions)) throw badFormat('missing field `actions`');
    for (const action of actions as readonly JsonObject[]) this.changeAlias(action);
  }

  /** Of the collections whose name matches. */
  holdUpdates(names: RegExp): void {
    for (const [name, { queue }] of this.collections) if (names.test(name)) queue.hold();
  }

  releaseUpdates(names: RegExp): void {
    for (const [name, { queue }] of this.collections) if (names.test(name)) queue.release();
  }

  /** From now on every collection says that it is in this state. */
  health: { readonly status: string; readonly optimizer: string | { readonly error: string } } = HEALTHY;

  clear(): void {
    this.health = HEALTHY;
    this.collections.clear();
    this.aliases.clear();
  }

  private changeAlias(action: JsonObject): void {
    if (isObject(action.create_alias)) {
      const { collection_name: collection, alias_name: alias } = action.create_alias;
      if (!this.collections.has(String(collection)))
        throw notFound(`Collection \`${String(collection)}\` doesn't exist!`);
      this.aliases.set(String(alias), String(collection));
    } else if (isObject(action.delete_alias)) {
      this.aliases.delete(String(action.delete_alias.alias_name));
    } else if (isObject(action.rename_alias)) {
      const { old_alias_name: from, new_alias_name: to } = action.rename_alias;
      const collection = this.aliases.get(String(from));
      if (collection === undefined) throw notFound(`Alias ${String(from)} does not exists!`);
      this.aliases.delete(String(from));
      this.aliases.set(String(to), collection);
    }
  }
}
