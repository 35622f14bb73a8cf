import { UnsupportedError } from '../../base/errors.js';
import { webAssembly } from '../../base/web-assembly.js';
import type { WasmModule } from '../../base/web-assembly.js';

const compiled = new Map<string, WasmModule>();

/**
 * The kernels that the package carries, compiled once per thread (a module can be posted to
 * workers). Node only: in a browser fetch `kernels.wasm`, compile it and pass the module on.
 *
 * `relaxed` uses fused multiply-add, whose rounding differs between processors.
 *
 * @throws UnsupportedError where relaxed SIMD cannot be compiled, and outside Node
 */
export function loadKernelModule(relaxed: boolean): WasmModule {
  const file = relaxed ? 'kernels-relaxed.wasm' : 'kernels.wasm';
  const known = compiled.get(file);
  if (known !== undefined) return known;

  if (typeof process === 'undefined' || process.getBuiltinModule === undefined) {
    throw new UnsupportedError(
      'wasm engine',
      `${file} can be read from disk in Node only; compile it and pass it as \`module\``,
    );
  }
  const bytes = process.getBuiltinModule('node:fs').readFileSync(new URL(file, import.meta.url));
  if (relaxed) allowRelaxedSimd();
  else if (REVECTORIZES) setFlag('--experimental-wasm-revectorize');
  if (!webAssembly.validate(bytes)) {
    throw new UnsupportedError(
      'wasm engine',
      `this runtime (Node ${process.version}) cannot compile ${file}` +
        (relaxed ? '; use the engine without `relaxed`' : '; it needs SIMD and shared memory'),
    );
  }
  const module = new webAssembly.Module(bytes);
  compiled.set(file, module);
  return module;
}

/** Node 20 has relaxed SIMD behind a flag that may be set until the first use. */
function allowRelaxedSimd(): void {
  if (nodeMajor() < 22) setFlag('--experimental-wasm-relaxed-simd');
}

/** From this version of Node on, the kernels are compiled for twice the width on x86. */
export const REVECTORIZING_NODE = 24;

/**
 * Whether V8 pairs operations of 128 bits into those of 256, where the processor has them: the same
 * operations on the same numbers, so the same bits. The flag counts for what is compiled after it is
 * set, in whichever thread. Nothing is gained for relaxed kernels.
 */
export const REVECTORIZES =
  typeof process !== 'undefined' && process.arch === 'x64' && nodeMajor() >= REVECTORIZING_NODE;

/** 0 outside of Node. */
function nodeMajor(): number {
  return Number(process.versions?.node?.split('.')[0] ?? 0);
}

function setFlag(flag: string): void {
  process.getBuiltinModule('node:v8').setFlagsFromString(flag);
}
