import { fromText } from '../model/byte-string.ts';
import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { UnmaskedRecords } from '../stages/config/recorded-secrets.ts';
import type { RedisDatabases } from '../stores/redis/redis-databases.ts';
import type { RedisReader } from '../stores/redis/redis-store.ts';

/** The unmasked configs that the application keeps in Redis, read over a connection of its own, opened when first asked. */
export class RedisRecords implements UnmaskedRecords {
  readonly #templates: readonly string[];
  readonly #open: () => Promise<RedisDatabases<RedisReader>>;
  readonly #tell: (text: string) => void;
  #opened: Promise<RedisDatabases<RedisReader>> | undefined;
  #told = false;

  constructor(
    templates: readonly string[],
    open: () => Promise<RedisDatabases<RedisReader>>,
    tell: (text: string) => void,
  ) {
    this.#templates = templates;
    this.#open = open;
    this.#tell = tell;
  }

  async read(tenant: string): Promise<Json | undefined> {
    this.#opened ??= this.#open();
    try {
      const { databases } = await this.#opened;
      const keys = this.#templates.map((template) => fromText(template.replace('{tenant}', () => tenant)));
      const read = await Promise.all(databases.map(({ store }) => store.texts(keys, parse)));
      const found = read.flat().filter((record) => record !== undefined);
      // Of several records nobody could tell which one counts.
      return found.length === 1 ? found[0] : undefined;
    } catch (error) {
      if (!(error instanceof MigrateError)) throw error;
      // What Redis is to the run is told by its own stage; without it the secrets must be given.
      if (!this.#told) this.#tell(`The configs that the application keeps in Redis cannot be read: ${error.message}`);
      this.#told = true;
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.#opened?.then(
      (opened) => opened.close(),
      () => undefined,
    );
  }
}

function parse(text: Buffer): Json | undefined {
  try {
    return JSON.parse(text.toString('utf8')) as Json;
  } catch {
    // Not JSON: no record. The parser's own message would quote secrets.
    return undefined;
  }
}
