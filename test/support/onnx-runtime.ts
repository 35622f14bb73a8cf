// ONNX Runtime, which exported networks are compared with.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** What is used of ONNX Runtime. */
export interface OnnxRuntime {
  readonly env: { logLevel: string; wasm: { numThreads: number } };
  readonly InferenceSession: {
    create(file: Uint8Array): Promise<{
      readonly inputNames: readonly string[];
      run(
        feeds: Record<string, unknown>,
      ): Promise<Record<string, { readonly data: Float32Array; readonly dims: readonly number[] }>>;
    }>;
  };
  readonly Tensor: new (
    type: 'float32' | 'string',
    data: Float32Array | readonly string[],
    dims: readonly number[],
  ) => unknown;
}

/** Installed apart, as it is large: npm ci --prefix test/onnx. */
export async function onnxRuntime(): Promise<OnnxRuntime | null> {
  const folder = path.join(ROOT, 'test', 'onnx');
  if (!existsSync(path.join(folder, 'node_modules'))) {
    assert.notEqual(process.env['PHANTOM_REQUIRE_ONNX'], '1', 'npm ci --prefix test/onnx');
    return null;
  }
  const file = createRequire(path.join(folder, 'package.json')).resolve('onnxruntime-web');
  const runtime = (await import(pathToFileURL(file).href)) as OnnxRuntime & {
    default?: OnnxRuntime;
  };
  const found = runtime.default ?? runtime;
  found.env.logLevel = 'error';
  found.env.wasm.numThreads = 1;
  return found;
}
