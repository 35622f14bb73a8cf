// A network to load, and the command that serves it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { train } from '#src/app/train/train.js';
import type { Strategy } from '#src/layers/strategies.js';

const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Flags that say what network is loaded, for `parseArgs`. */
export const NETWORK_OPTIONS = {
  strategy: { type: 'string', default: 'phantom' },
  width: { type: 'string', default: '2048' },
  depth: { type: 'string', default: '2' },
  blocks: { type: 'string', default: '2' },
  ghosts: { type: 'string', default: '64' },
  features: { type: 'string', default: '64' },
  outputs: { type: 'string', default: '10' },
} as const;

export interface MadeRun {
  readonly folder: string;
  readonly features: number;
  remove(): void;
}

/** Writes a run of one step; its weights are as good as any for speed. */
export async function makeRun(
  values: Readonly<Record<keyof typeof NETWORK_OPTIONS, string>>,
): Promise<MadeRun> {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-bench-'));
  const features = Number(values.features);
  await train({
    strategy: values.strategy as Strategy,
    width: Number(values.width),
    depth: Number(values.depth),
    blocks: Number(values.blocks),
    ghosts: Number(values.ghosts),
    ranks: 1,
    data: `synthetic:teacher?widths=${features},64,${values.outputs}`,
    optimizer: 'sgd',
    steps: 1,
    batch: 16,
    out: path.join(folder, 'model'),
  });
  return {
    folder: path.join(folder, 'model'),
    features,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  /** Ends it by SIGTERM. @returns its exit code */
  end(): Promise<number | null>;
}

/** Starts `phantom serve` on a free port of the loopback interface. */
export async function startServerProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [COMMAND, 'serve', ...args, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const exited = new Promise<number | null>((resolve) => {
    child.on('exit', resolve);
  });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const event = JSON.parse(line) as { msg?: string; url?: string };
      if (event.msg === 'listening' && event.url !== undefined) resolve(event.url);
    });
    void exited.then((code) => reject(new Error(`phantom serve ended with ${code}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    end() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

/** An inference request with binary tensors. */
export function binaryRequest(x: Float32Array, features: number) {
  const parameters = { binary_data_size: x.byteLength };
  const shape = [x.length / features, features];
  const json = Buffer.from(
    JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [{ name: 'x', datatype: 'FP32', shape, parameters }],
    }),
  );
  return {
    body: Buffer.concat([json, new Uint8Array(x.buffer, x.byteOffset, x.byteLength)]),
    headers: { 'Inference-Header-Content-Length': String(json.length) },
  };
}
