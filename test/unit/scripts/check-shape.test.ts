import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { brokenImports } from '../../../scripts/check-shape.ts';

describe('the layout of src', () => {
  it('keeps the table of rooms', () => {
    expect(brokenImports(join(import.meta.dirname, '../../../src'))).toEqual([]);
  });

  it('names an import that breaks it', () => {
    const source = mkdtempSync(join(tmpdir(), 'tenant-migrate-shape-'));
    mkdirSync(join(source, 'stages'));
    mkdirSync(join(source, 'model'));
    writeFileSync(
      join(source, 'stages/a.ts'),
      "import { x } from '../journal/y.ts';\nimport type { Z } from '../stores/z.ts';\n",
    );
    writeFileSync(join(source, 'stages/b.ts'), "const { Redis } = await import('ioredis');\n");
    writeFileSync(join(source, 'model/c.ts'), "import { z } from 'zod';\n");
    expect(brokenImports(source)).toEqual([
      'model/c.ts: model may not import zod',
      'stages/a.ts: stages may not import ../journal/y.ts',
      'stages/b.ts: stages may not import ioredis',
    ]);
  });
});
