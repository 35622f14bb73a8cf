// Builds everything a checkout runs: the WebAssembly kernels, the package, and the tests and
// benchmarks. `--package` builds the package alone.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'rolldown';

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
  const sources = readdirSync('kernels')
    .filter((name) => name !== 'cuda')
    .map((name) => `kernels/${name}`);
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
    const made = [`${stem}.ts`, `${stem}.js`, `${stem}.d.ts`].some((file) =>
      existsSync(path.join(sources, file)),
    );
    if (!made) rmSync(path.join(outDir, name));
  }
}

/** What threads start with. */
const WORKERS = [
  'app/calibrate/calibration-rank',
  'app/evaluate/evaluation-rank',
  'app/infer/inference-rank',
  'app/ranks/no-rank',
  'app/train/training-rank',
  'data/loader/loader-worker',
];

/**
 * Makes one file of each program of a thread, in place of the module of that name: every rank would
 * load some 150 modules, which takes longer than what a short run computes. Packages stay outside.
 */
async function bundleWorkers() {
  for (const name of WORKERS) {
    const file = path.resolve('dist', `${name}.js`);
    const fromHere = {
      name: 'addresses',
      // An address is relative to the module that names it, not to the file that it ends up in.
      transform(code, id) {
        const module = path.relative(path.dirname(file), id.replace(`${root}src`, `${root}dist`));
        const url = `new URL(${JSON.stringify(module)}, import.meta.url).href`;
        return code.replaceAll('import.meta.url', url);
      },
    };
    await build({
      input: path.resolve('src', `${name}.ts`),
      platform: 'node',
      external: (id) => !id.startsWith('.') && !path.isAbsolute(id),
      plugins: [fromHere],
      output: { file, format: 'esm', codeSplitting: false },
      logLevel: 'warn',
    });
  }
}

/**
 * What a page runs, in one file with its style; and the drawing of charts outside of a page. Their
 * libraries are inside, so that whoever installs the package installs none of them.
 */
async function buildPage() {
  const bundle = async (input, options, output) => {
    const { output: made } = await build({
      input,
      write: false,
      logLevel: 'warn',
      ...options,
      output: { minify: true, codeSplitting: false, ...output },
    });
    return made[0].code;
  };
  const { THEME_CSS } = await import(pathToFileURL(path.resolve('dist/report/palette.js')).href);
  const style = THEME_CSS + readFileSync('page/style.css', 'utf8').replaceAll(/\s+/g, ' ');
  for (const [source, made, elsewhere] of [
    ['main', 'report/page.html', 'phantom report --format markdown'],
    ['serve', 'serving/server/page.html', '/metrics'],
  ]) {
    const script = await bundle(`page/${source}.tsx`, { platform: 'browser' }, { format: 'iife' });
    const page = readFileSync('page/index.html', 'utf8')
      .replace('<!--elsewhere-->', elsewhere)
      .replace('/*style*/', () => style)
      .replace('/*script*/', () => script.replaceAll('</script', String.raw`<\/script`));
    writeFileSync(`dist/${made}`, page);
  }
  const drawing = await bundle('page/drawing/svg.ts', { platform: 'node' }, { format: 'esm' });
  writeFileSync('dist/report/drawing.js', drawing);
}

prune('dist', 'src');
prune('build', '.');
if (!kernelsAreCurrent()) buildKernels();
cpSync('kernels/cuda', 'dist/engines/cuda/kernels', { recursive: true });
run('typescript/bin/tsc', ['-p', 'tsconfig.json']);
await bundleWorkers();
await buildPage();
chmodSync('dist/cli/main.js', 0o755);
if (!process.argv.includes('--package')) {
  for (const project of ['page/tsconfig.json', 'tsconfig.test.json']) {
    run('typescript/bin/tsc', ['-p', project]);
  }
}
