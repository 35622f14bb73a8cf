import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DOORS } from '../support/doors.js';

const SRC = fileURLToPath(new URL('../../../src/', import.meta.url));

/** Every `from '…'` and `import('…')` of a source file that points inside src, without type-only. */
function imports(file: string): string[] {
  const text = readFileSync(path.join(SRC, file), 'utf8');
  const found = text.matchAll(/(import type[^;]*?)?(?:from|import\()\s*'(\.[^']+)'/g);
  return [...found]
    .filter(([, typeOnly]) => typeOnly === undefined)
    .map(([, , specifier]) => path.join(path.dirname(file), specifier ?? ''));
}

const files = (readdirSync(SRC, { recursive: true }) as string[])
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => file.split(path.sep).join('/'));

const CONCRETE = [
  'energy/rapl',
  'energy/hwmon',
  'energy/gpu/',
  'energy/process-tree',
  'engines/blas/',
  'engines/wasm/',
  'communicators/threads/',
  'communicators/recording/',
  'communicators/mpi/',
  'native/',
];

function within(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => file.startsWith(folder));
}

describe('who may import whom', () => {
  const rules: [string, readonly string[], readonly string[]][] = [
    [
      'layers, model, optimizers, training and inference know contracts only',
      ['layers/', 'model/', 'optimizers/', 'training/', 'serving/', 'autograd/'],
      CONCRETE,
    ],
    [
      'analysis imports nothing that computes',
      ['analysis/'],
      ['engines/', 'communicators/', 'autograd/', 'training/', 'native/', 'data/'],
    ],
    [
      'calibration knows contracts only',
      ['calibration/'],
      [...CONCRETE, 'app/', 'training/', 'model/', 'layers/'],
    ],
    ['data knows neither engines nor communicators', ['data/'], ['engines/', 'communicators/']],
    [
      'charts and pages compute nothing',
      ['report/'],
      ['engines/', 'communicators/', 'layers/', 'autograd/', 'native/', 'data/', 'app/'],
    ],
    ['communicators know no engines', ['communicators/'], ['engines/']],
    ['the command opens no native library', ['cli/'], ['native/']],
    [
      'energy knows no engines and no ranks',
      ['energy/'],
      ['engines/', 'communicators/', 'training/', 'app/'],
    ],
    [
      'solo, threads and recording open no native library',
      ['communicators/solo/', 'communicators/threads/', 'communicators/recording/'],
      ['native/', 'communicators/mpi/'],
    ],
    [
      'launch starts processes and computes nothing',
      ['launch/'],
      [...CONCRETE, 'engines/', 'layers/', 'model/', 'autograd/', 'optimizers/'],
    ],
    [
      'nothing below the command imports it',
      ['app/', 'training/', 'serving/', 'data/', 'report/', 'launch/'],
      ['cli/'],
    ],
  ];
  for (const [name, from, forbidden] of rules) {
    it(name, () => {
      const members = files.filter((file) => within(file, from));
      assert.ok(members.length > 0);
      const broken = members.flatMap((file) =>
        imports(file)
          .filter((target) => within(target, forbidden))
          .map((target) => `${file} → ${target}`),
      );
      assert.deepEqual(broken, []);
    });
  }

  it('importing the package has no effect', async () => {
    const before = new Set(process.getActiveResourcesInfo());
    for (const door of DOORS) await import(door);
    assert.deepEqual(
      process.getActiveResourcesInfo().filter((resource) => !before.has(resource)),
      [],
    );
  });
});
