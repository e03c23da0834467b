import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CodeBlock, codeBlocks } from '../support/documents/code-blocks.ts';
import { type Grounds, openGrounds, openPlace } from '../support/documents/place.ts';
import { NOT_RUN, type Scene, scenesOf, stopServers } from '../support/documents/scenes.ts';

const project = join(import.meta.dirname, '../..');
const blocks = ['README.md', 'MIGRATION.md'].flatMap((name) => codeBlocks(join(project, name)));
/** Of two blocks with the same words one is enough. */
const commands = [
  ...new Map(
    blocks.filter(({ language, file }) => language === 'sh' && file === '').map((block) => [block.text, block]),
  ).values(),
];
const files = new Map(blocks.filter(({ file }) => file !== '').map(({ file, text }) => [file, text]));

describe('the documents’ command blocks do what they say, typed as they stand there', () => {
  let grounds: Grounds | undefined;
  beforeAll(async () => {
    grounds = await openGrounds(files);
  });
  afterAll(async () => {
    await Promise.all([grounds?.close(), stopServers()]);
  });

  const run = commands.filter((block) => NOT_RUN.every(({ first }) => !block.text.startsWith(first)));
  it.each(run.map((block) => [`${block.where} (${block.heading})`, block] as const))(
    '%s',
    async (_where, block) => {
      if (grounds === undefined) throw new Error('there are no servers');
      for (const { scene, script } of scenesOf(block)) await play(grounds, scene, script);
      // A few of them are several moves, on a busy machine.
    },
    180_000,
  );

  it('and every block says what it is; those that cannot be run here are few, and are still there', () => {
    expect(blocks.filter(({ language }) => language === '').map(({ where }) => where)).toEqual([]);
    const stale = NOT_RUN.filter(({ first }) => !commands.some(({ text }: CodeBlock) => text.startsWith(first)));
    expect(stale).toEqual([]);
  });
});

async function play(grounds: Grounds, scene: Scene, script: string): Promise<void> {
  await grounds.clear();
  const place = openPlace(grounds);
  const undo = await scene.setUp(place);
  try {
    const text = scene
      .text(script, place)
      .replaceAll('<run>', '"$(newest runs)"')
      .replaceAll('<id>', '"$(newest backups)"');
    const { code, output } = await place.run(place.named(text));
    expect({ code, output: code === scene.exit ? '' : output }).toEqual({ code: scene.exit, output: '' });
    await scene.check?.(place, output);
  } finally {
    await undo?.();
  }
}
