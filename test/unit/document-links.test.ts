import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const project = join(import.meta.dirname, '../..');
const names = readdirSync(join(project, 'docs')).filter((name) => name.endsWith('.md'));
const documents = ['README.md', 'MIGRATION.md', 'CHANGELOG.md', ...names.map((name) => `docs/${name}`)];

test.each(documents)('every link of %s within the project leads somewhere', (name) => {
  const broken = linksOf(read(name)).filter((link) => {
    const [path = '', anchor] = link.split('#');
    const file = path === '' ? name : relative(project, join(project, dirname(name), path));
    if (!existsSync(join(project, file))) return true;
    return anchor !== undefined && !anchorsOf(read(file)).has(anchor);
  });
  expect(broken).toEqual([]);
});

test('the guide’s list of contents has every section, in its order', () => {
  const guide = read('MIGRATION.md');
  const contents = guide.slice(0, guide.indexOf('\n## '));
  const sections = [...withoutCode(guide).matchAll(/^## (.*)$/gm)].map(([, title = '']) => slug(title));
  const listed = linksOf(contents).map((link) => link.slice(1));
  expect(listed.filter((anchor) => sections.includes(anchor))).toEqual(sections);
});

function read(name: string): string {
  return readFileSync(join(project, name), 'utf8');
}

function withoutCode(text: string): string {
  return text.replace(/^ *```[\s\S]*?^ *```$/gm, '');
}

function linksOf(text: string): readonly string[] {
  const plain = withoutCode(text).replace(/`[^`\n]*`/g, 'code');
  return [...plain.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to).filter((to) => !/^[a-z]+:/.test(to));
}

/** As GitHub makes them; a title that comes again gets a number. */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, title = ''] of withoutCode(text).matchAll(/^#+ (.*)$/gm)) {
    const first = slug(title);
    let anchor = first;
    for (let no = 1; anchors.has(anchor); no += 1) anchor = `${first}-${no}`;
    anchors.add(anchor);
  }
  return anchors;
}

function slug(title: string): string {
  const shown = title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').trim();
  return shown
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-');
}
