import { UnsupportedError } from '../../base/errors.js';
import { webAssembly } from '../../base/web-assembly.js';
import type { WasmModule } from '../../base/web-assembly.js';

const compiled = new Map<string, WasmModule>();

/**
 * The kernels that the package carries, compiled once per thread (a module can be posted to
 * workers). Node only: in a browser fetch `kernels.wasm`, compile it and pass the module on.
 *
 * `relaxed` uses fused multiply-add, whose rounding differs between processors. Flags of V8 that kernels
 * want are set for the whole process, unless `PHANTOM_V8_FLAGS` is `none`.
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
  else if (widensKernels()) setFlag('--experimental-wasm-revectorize');
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
  if (nodeMajor() < 22 && maySetFlags()) setFlag('--experimental-wasm-relaxed-simd');
}

/** From this version of Node on, V8 can make the kernels twice as wide on x86. */
const WIDENING_NODE = 24;

/**
 * Whether V8 is asked to pair operations of 128 bits into those of 256: the same operations on the same
 * numbers, so the same bits. The flag counts for what is compiled after it is set, in whichever thread; V8
 * does not tell what came of it. Nothing is gained for relaxed kernels.
 */
export function widensKernels(): boolean {
  return nodeMajor() >= WIDENING_NODE && processorCanWiden() && maySetFlags();
}

/** The version of Node that would widen kernels on this processor; null: this one can, or none would. */
export function newerNode(): number | null {
  return nodeMajor() < WIDENING_NODE && processorCanWiden() ? WIDENING_NODE : null;
}

function processorCanWiden(): boolean {
  return process.arch === 'x64' && hasAvx2(startOfCpuInfo()) !== false;
}

/** @param cpuInfo how `/proc/cpuinfo` begins @returns null: it does not say */
export function hasAvx2(cpuInfo: string): boolean | null {
  const [, flags] = /^flags\s*:(.*)\n/m.exec(cpuInfo) ?? [];
  return flags === undefined ? null : /\bavx2\b/.test(flags);
}

/** The first processor's part: the system takes its time for all of many. Empty where there is none. */
function startOfCpuInfo(): string {
  const { openSync, readSync, closeSync } = process.getBuiltinModule('node:fs');
  try {
    const file = openSync('/proc/cpuinfo', 'r');
    const bytes = new Uint8Array(4096);
    try {
      return new TextDecoder().decode(bytes.subarray(0, readSync(file, bytes)));
    } finally {
      closeSync(file);
    }
  } catch {
    return ''; // Other systems have none.
  }
}

function maySetFlags(): boolean {
  return process.env['PHANTOM_V8_FLAGS'] !== 'none';
}

/** 0 outside of Node. */
function nodeMajor(): number {
  if (typeof process === 'undefined') return 0;
  return Number(process.versions?.node?.split('.')[0] ?? 0);
}

function setFlag(flag: string): void {
  process.getBuiltinModule('node:v8').setFlagsFromString(flag);
}
