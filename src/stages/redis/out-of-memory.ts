import { type ByteString, printable } from '../../model/byte-string.ts';
import { errorText, MigrateError } from '../../model/errors.ts';
import { grouped } from '../../model/grouped.ts';
import type { Move } from '../../model/move.ts';
import type { RedisWriter, RenameOutcome } from '../../stores/redis/redis-store.ts';
import type { ApplyContext } from '../stage.ts';
import { claimedShape, Tally } from './shapes.ts';
import { TenantKeys } from './tenant-keys.ts';

const MOST_SHAPES = 10;

type Refused = Extract<RenameOutcome, object>;

/**
 * What a server that ran out of memory has done to the keys that were under way. A Dragonfly has taken the source of a
 * rename away by then: nothing more is sent, and what became of each key is told.
 */
export class OutOfMemory {
  readonly #keys: TenantKeys;
  readonly #moves: readonly Move[];
  readonly #ctx: ApplyContext<RedisWriter>;
  readonly #lost = new Tally();
  #standing = 0;
  #happened = false;

  constructor(templates: readonly string[], moves: readonly Move[], ctx: ApplyContext<RedisWriter>) {
    this.#keys = new TenantKeys(templates, ctx.profile.configKeyTemplates, moves);
    this.#moves = moves;
    this.#ctx = ctx;
  }

  /** From then on no batch may be sent. */
  get happened(): boolean {
    return this.#happened;
  }

  /** Takes a key whose rename was refused, whatever the reason, and reports it. */
  take(from: ByteString, { failed, outOfMemory }: Refused): void {
    const reason = outOfMemory === 'lost' ? `lost: it stands under neither name (${failed})` : failed;
    this.#ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason });
    if (outOfMemory === undefined) return;
    this.#happened = true;
    if (outOfMemory === 'stands') this.#standing += 1;
    else this.#lost.add(this.#shapeOf(from));
  }

  /** Throws where it has happened, with `beside`, another failure, as its cause. */
  throwIfHappened(beside?: unknown): void {
    if (!this.#happened) return;
    const { address } = this.#ctx.store;
    const standing = this.#standing === 0 ? '' : `, ${grouped(this.#standing)} that it refused are still there`;
    const also = beside === undefined ? '' : `; ${errorText(beside)}`;
    const message = `Redis at ${address} ran out of memory while it renamed keys: ${this.#lostText()}${standing}${also}`;
    const restore = this.#lost.total === 0 ? '' : ', and restore the lost keys from a backup';
    throw new MigrateError('store', message, {
      store: address,
      next: `free memory or raise its maxmemory, go on with --redis-mode auto${restore}`,
      cause: beside,
    });
  }

  #lostText(): string {
    const shapes = this.#lost.entries();
    const named = shapes.slice(0, MOST_SHAPES).map(([shape, count]) => `${shape} ${grouped(count)}`);
    const list = named.length === 0 ? '' : ` (${named.join(', ')}${shapes.length > MOST_SHAPES ? ', …' : ''})`;
    return `${grouped(this.#lost.total)} keys are lost${list}`;
  }

  #shapeOf(key: ByteString): string {
    const role = this.#keys.roleOf(key);
    if (role === undefined || role.role === 'config') return '(others)';
    const { source = '', target = '' } = this.#moves[role.move] ?? {};
    return claimedShape(role.claim.template, role.role === 'source' ? source : target);
  }
}
