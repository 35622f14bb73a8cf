// The same network in ONNX Runtime, for comparison.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { exportModel } from '#src/app/convert/export-file.js';

/** Flags that name an installation of ONNX Runtime, for `parseArgs`. */
export const ONNX_OPTIONS = { 'onnx-runtime': { type: 'string' } } as const;
export const ONNX_HELP = `--onnx-runtime FOLDER compares with ONNX Runtime (one thread) on the exported network:
  npm install --prefix FOLDER --ignore-scripts onnxruntime-node`;

interface OnnxTensor {
  readonly data: Float32Array;
}
interface OnnxRuntime {
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: number[]) => OnnxTensor;
  readonly InferenceSession: {
    create(
      file: string,
      options: object,
    ): Promise<{
      run(inputs: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
    }>;
  };
}

export interface OnnxModel {
  readonly name: string;
  readonly predict: (x: Float32Array) => Promise<Float32Array>;
}

/** @param folder where onnxruntime-node is installed @param model a run folder */
export async function openInOnnxRuntime(
  folder: string,
  model: string,
  features: number,
): Promise<OnnxModel> {
  const require = createRequire(path.resolve(folder, 'package.json'));
  const runtime = require('onnxruntime-node') as OnnxRuntime;
  const { version } = require('onnxruntime-node/package.json') as { version: string };
  const out = path.join(path.dirname(model), 'model.onnx');
  await exportModel({ model, format: 'onnx', out, engine: 'auto' });
  const session = await runtime.InferenceSession.create(out, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  return {
    name: `ONNX Runtime ${version}`,
    async predict(x) {
      const shape = [x.length / features, features];
      const { y } = await session.run({ x: new runtime.Tensor('float32', x, shape) });
      if (y === undefined) throw new Error('the exported network has no output y');
      return y.data;
    },
  };
}

/** A plain HTTP server in this process that answers one request after the other: no batching. */
export async function serveOnnx(model: OnnxModel, jsonBytes: number) {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const floats = new Uint8Array(Buffer.concat(parts).subarray(jsonBytes)).buffer;
      model.predict(new Float32Array(floats)).then(
        (y) => response.end(Buffer.from(y.buffer, y.byteOffset, y.byteLength)),
        () => response.writeHead(500).end(),
      );
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}
