import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/files.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SRC = path.join(ROOT, 'src');

/** The names that are used most, in an order in which later examples find what earlier ones wrote,
 * and what their examples print. */
const EXAMPLES: readonly [name: string, prints: RegExp][] = [
  ['train', /^100% correct, kept in runs\/xor\n$/],
  ['evaluate', /^loss \d\S*, 100% correct\n$/],
  ['loadModel', /^logits -?\d+\.\d+,-?\d+\.\d+\n$/],
  ['predict', /^2 rows answered\n$/],
  ['compress', /^\d+ parameters became \d+\n$/],
  ['exportModel', /^xor\.onnx has \d+ bytes\n$/],
  ['serve', /"outputs":\[.*"shape":\[1,2\]/],
  ['plan', /^phantom \d+ \d+ \d\S* s, modelled\ntensor \d+ \d+ \d\S* s, modelled\n$/],
  ['createMeter', /^\d+: \S+ J \(\w+\) in \d+\.\d+ s\n$/],
  ['checkGradients', /^largest relative error \d\.\de-\d\n$/],
];

/** The code of the example in the docstring before `export … function name`. */
function exampleOf(name: string): string {
  const before = new RegExp(
    String.raw`/\*\*((?:(?!\*/)[^])*)\*/\nexport (?:async )?function ${name}\b`,
  );
  const found = (readdirSync(SRC, { recursive: true }) as string[])
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .flatMap((file) => before.exec(readFileSync(path.join(SRC, file), 'utf8'))?.[1] ?? []);
  const codes = found.flatMap((text) => {
    const lines = text.replaceAll(/^ \* ?/gm, '');
    return /@example\n```ts\n([^]*?)```/.exec(lines)?.[1] ?? [];
  });
  assert.equal(codes.length, 1, `${name} has ${codes.length} examples`);
  return codes[0];
}

describe('the examples in docstrings', () => {
  it('compile under strict settings and run as written', (context) => {
    const cwd = temporaryFolder(context);
    mkdirSync(path.join(cwd, 'node_modules', '@types'), { recursive: true });
    symlinkSync(ROOT, path.join(cwd, 'node_modules', 'phantom-parallel'));
    symlinkSync(
      path.join(ROOT, 'node_modules', '@types', 'node'),
      path.join(cwd, 'node_modules', '@types', 'node'),
    );
    writeFileSync(path.join(cwd, 'package.json'), '{ "type": "module" }');
    const compilerOptions = {
      ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
      ...{ target: 'es2023', module: 'nodenext', types: ['node'], rootDir: '.', outDir: 'out' },
    };
    const config = JSON.stringify({ compilerOptions, include: ['*.ts'] });
    writeFileSync(path.join(cwd, 'tsconfig.json'), config);
    for (const [name] of EXAMPLES) writeFileSync(path.join(cwd, `${name}.ts`), exampleOf(name));
    const run = (...args: string[]) =>
      spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 120_000 });
    const compiled = run(path.join(ROOT, 'node_modules/typescript/bin/tsc'));
    assert.equal(compiled.stdout, '');
    assert.equal(compiled.status, 0);
    for (const [name, prints] of EXAMPLES) {
      const ran = run(`out/${name}.js`);
      assert.equal(ran.stderr, '', name);
      assert.equal(ran.status, 0, name);
      assert.match(ran.stdout, prints, name);
    }
  });
});
