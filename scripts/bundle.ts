import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');

/** Some libraries are CommonJS inside: they get what they expect to find around them. */
const SURROUNDINGS = [
  "import { createRequire as bundledRequire } from 'node:module';",
  "import { dirname as bundledDirname } from 'node:path';",
  "import { fileURLToPath as bundledPath } from 'node:url';",
  'const require = bundledRequire(import.meta.url);',
  'const __filename = bundledPath(import.meta.url);',
  'const __dirname = bundledDirname(__filename);',
].join('\n');

/**
 * Makes the whole program one executable file that needs nothing but Node: no package, no registry. The licences of all
 * that is in it stand at its end. Returns its size in bytes.
 */
export async function bundle(file: string): Promise<number> {
  const { version, engines } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Package;
  const own = await readFile(join(ROOT, 'LICENSE'), 'utf8');
  const about = `tenant-migrate ${version}, in one file. Runs with Node ${engines?.node}.`;
  const { metafile, outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/main.ts'],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    // Names stay, so that the stack of an error can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    define: { BUNDLED_VERSION: JSON.stringify(version) },
    banner: { js: `${comment(`${about}\n\n${own}`)}\n${SURROUNDINGS}` },
    logLevel: 'warning',
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error('nothing was bundled');
  const text = `${output.text}\n${await licences(metafile)}\n`;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  await chmod(file, 0o755);
  return Buffer.byteLength(text);
}

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly engines?: { readonly node?: string };
}

/** One comment with every bundled package's licence; equal texts once. */
async function licences(metafile: Metafile): Promise<string> {
  const folders = new Set(Object.keys(metafile.inputs).flatMap((path) => packageFolder(path) ?? []));
  const texts = new Map<string, string[]>();
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(
      await readFile(join(ROOT, folder, 'package.json'), 'utf8'),
    ) as Package;
    const text = await licenceText(join(ROOT, folder));
    const key = text === undefined ? `Licence: ${license ?? 'not told'}` : text;
    texts.set(key, [...(texts.get(key) ?? []), `${name} ${version} (${license ?? 'see below'})`]);
  }
  const parts = [...texts].map(([text, names]) => `${names.join('\n')}\n\n${text.trim()}`);
  return comment(`Libraries in this file, and their licences\n\n${parts.join('\n\n----\n\n')}`);
}

/** The folder of the innermost package that holds this file. */
function packageFolder(path: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0];
}

async function licenceText(folder: string): Promise<string | undefined> {
  const names = (await readdir(folder)).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.length === 0 ? undefined : texts.join('\n');
}

function comment(text: string): string {
  return `/*!\n${text.trim().replaceAll('*/', '* /')}\n*/`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = process.argv[2] ?? join(ROOT, 'dist-bundle', 'tenant-migrate.mjs');
  const size = await bundle(file);
  console.log(`${relative(process.cwd(), file)}: ${(size / 1e6).toFixed(1)} MB`);
}
