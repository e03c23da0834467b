import { describe, expect, test } from 'vitest';
import { GroupCommit } from '../../../src/journal/group-commit.ts';

/** What was written, group by group, with how long each write took. */
class Disk {
  readonly groups: { readonly items: readonly string[]; readonly durable: boolean }[] = [];
  #writing = false;
  failAt = Number.POSITIVE_INFINITY;

  readonly write = async (items: readonly string[], durable: boolean): Promise<void> => {
    if (this.#writing) throw new Error('two writes at once');
    this.#writing = true;
    await new Promise((resolve) => setTimeout(resolve, 2));
    this.#writing = false;
    if (this.groups.length >= this.failAt) throw new Error('disk full');
    this.groups.push({ items, durable });
  };

  get items(): readonly string[] {
    return this.groups.flatMap(({ items }) => items);
  }
}

describe('a group commit', () => {
  test('writes items that come in one turn together', async () => {
    const disk = new Disk();
    const commits = new GroupCommit(disk.write);
    await Promise.all(['a', 'b', 'c'].map((item) => commits.durable(item)));
    expect(disk.groups).toEqual([{ items: ['a', 'b', 'c'], durable: true }]);
  });

  test('gathers the next group while one is written, one write at a time, in order', async () => {
    const disk = new Disk();
    const commits = new GroupCommit(disk.write);
    const expected: string[] = [];
    const waiting: Promise<void>[] = [];
    for (let index = 0; index < 400; index += 1) {
      expected.push(`${index}`);
      waiting.push(commits.durable(`${index}`));
      if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, index % 3));
    }
    await Promise.all(waiting);
    expect(disk.items).toEqual(expected);
    expect(disk.groups.length).toBeLessThan(100);
  });

  test('resolves in order, each after its own write', async () => {
    const disk = new Disk();
    const commits = new GroupCommit(disk.write);
    const resolved: string[] = [];
    const lane = async (name: string) => {
      for (let step = 0; step < 20; step += 1) {
        await commits.durable(`${name}${step}`);
        expect(disk.items).toContain(`${name}${step}`);
        resolved.push(`${name}${step}`);
      }
    };
    await Promise.all(['a', 'b', 'c'].map(lane));
    expect(resolved).toEqual(disk.items);
  });

  test('takes an item that comes in the very turn in which a group ends', async () => {
    const disk = new Disk();
    const commits = new GroupCommit(disk.write);
    for (let index = 0; index < 50; index += 1) await commits.durable(`${index}`);
    expect(disk.items).toHaveLength(50);
    await commits.settled();
  });

  test('syncs no group that may wait, and makes it durable with the next that may not', async () => {
    const disk = new Disk();
    const commits = new GroupCommit(disk.write);
    commits.soon('a');
    await commits.settled();
    expect(disk.groups).toEqual([{ items: ['a'], durable: false }]);
    commits.soon('b');
    await commits.durable('c');
    commits.soon('d');
    await commits.settled();
    await commits.close();
    expect(disk.groups.slice(1)).toEqual([
      { items: ['b', 'c'], durable: true },
      { items: ['d'], durable: false },
      { items: [], durable: true },
    ]);
  });

  test('writes nothing at its close where all is durable', async () => {
    const disk = new Disk();
    const commits = new GroupCommit(disk.write);
    await commits.durable('a');
    await commits.close();
    await commits.close();
    expect(disk.groups).toHaveLength(1);
  });

  test('closes once: what its close made durable is not made so again', async () => {
    const disk = new Disk();
    const commits = new GroupCommit(disk.write);
    commits.soon('a');
    await commits.close();
    await commits.close();
    expect(disk.groups).toHaveLength(2);
  });

  test('fails every item of a group that failed and every later one with that failure, and writes no more', async () => {
    const disk = new Disk();
    disk.failAt = 1;
    const commits = new GroupCommit(disk.write);
    await commits.durable('a');
    const failing = await Promise.allSettled([commits.durable('b'), commits.durable('c')]);
    expect(failing.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    disk.failAt = Number.POSITIVE_INFINITY;
    await expect(commits.durable('d')).rejects.toThrow('disk full');
    await expect(commits.close()).rejects.toThrow('disk full');
    expect(disk.items).toEqual(['a']);
  });

  test('tells of an item that could wait and was lost at the next one that may not, and at the close', async () => {
    const disk = new Disk();
    disk.failAt = 0;
    const commits = new GroupCommit(disk.write);
    commits.soon('a');
    await commits.settled();
    disk.failAt = Number.POSITIVE_INFINITY;
    await expect(commits.durable('b')).rejects.toThrow('disk full');
    await expect(commits.close()).rejects.toThrow('disk full');
    expect(disk.items).toEqual([]);
  });
});
