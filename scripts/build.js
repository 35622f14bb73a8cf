// Builds everything a checkout runs: the WebAssembly kernels, the package, and the tests and
// benchmarks. `--package` builds the package alone.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

function run(command, args) {
  const { status } = spawnSync(process.execPath, [`node_modules/${command}`, ...args], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

const KERNELS = ['dist/engines/wasm/kernels.wasm', 'dist/engines/wasm/kernels-relaxed.wasm'];

/** Whether the kernels are newer than all they are made from; compiling them takes seconds. */
function kernelsAreCurrent() {
  if (!KERNELS.every((file) => existsSync(file))) return false;
  const sources = readdirSync('kernels').map((name) => `kernels/${name}`);
  const made = ['scripts/build.js', 'package-lock.json', ...sources];
  const time = (file) => statSync(file).mtimeMs;
  return Math.min(...KERNELS.map(time)) > Math.max(...made.map(time));
}

/** Kernels are compiled twice: strict IEEE arithmetic, and with relaxed fused multiply-add. */
function buildKernels() {
  const [strict, relaxed] = KERNELS;
  mkdirSync('dist/engines/wasm', { recursive: true });
  const shared = [
    'kernels/index.ts',
    '--runtime',
    'stub',
    '--importMemory',
    '--sharedMemory',
    '--maximumMemory',
    '65536',
    '-O3',
    '--noAssert',
    '--converge',
  ];
  const features = 'simd,threads,bulk-memory,sign-extension,mutable-globals,nontrapping-f2i';
  run('assemblyscript/bin/asc.js', [
    ...shared,
    '--enable',
    features,
    '--use',
    'RELAXED=0',
    '-o',
    strict,
  ]);
  run('assemblyscript/bin/asc.js', [
    ...shared,
    '--enable',
    `${features},relaxed-simd`,
    '--use',
    'RELAXED=1',
    '-o',
    relaxed,
  ]);
}

/** Removes what was compiled from sources that are no longer there. */
function prune(outDir, sources) {
  for (const name of existsSync(outDir) ? readdirSync(outDir, { recursive: true }) : []) {
    const stem = /^(.*?)(?:\.d)?\.[jt]s$/.exec(name)?.[1];
    if (stem === undefined) continue;
    const made = [`${stem}.ts`, `${stem}.js`].some((file) => existsSync(path.join(sources, file)));
    if (!made) rmSync(path.join(outDir, name));
  }
}

prune('dist', 'src');
prune('build', '.');
if (!kernelsAreCurrent()) buildKernels();
run('typescript/bin/tsc', ['-p', 'tsconfig.json']);
chmodSync('dist/cli/main.js', 0o755);
if (!process.argv.includes('--package')) run('typescript/bin/tsc', ['-p', 'tsconfig.test.json']);
