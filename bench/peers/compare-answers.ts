// Answers of one rank beside PyTorch and ONNX Runtime.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { exportModel } from '#src/app/convert/export-file.js';
import { loadModel } from '#src/app/infer/load-model.js';
import { randomStream } from '#src/tensor/random.js';
import { makeRun } from '../served-model.js';
import { quantile } from '../step.js';
import { startPeer } from './peer-process.js';
import { type PeersRequest, RANKS, type Row, rowOf } from './rows.js';

/** A row of each batch and program. @throws Error where answers are not the same */
export async function compareAnswers(
  request: PeersRequest,
  sizes: readonly number[],
): Promise<{ rows: Row[]; note: string }> {
  const { width, depth, ghosts, rounds } = request;
  const text = { width: String(width), depth: String(depth), ghosts: String(ghosts) };
  const shape = { strategy: 'phantom', blocks: String(RANKS), features: '64', outputs: '10' };
  const run = await makeRun({ ...shape, ...text });
  const folder = path.dirname(run.folder);
  const most = Math.max(...sizes);
  const model = await loadModel(run.folder, {
    ranks: 1,
    engine: request.engine,
    maxBatch: most,
  });
  try {
    const { features } = run;
    const stream = randomStream(1, 'rows');
    const x = Float32Array.from({ length: most * features }, (_, i) => stream.normal(i));
    writeFileSync(path.join(folder, 'x.f32'), x);
    for (const [format, name] of [
      ['safetensors', 'model.safetensors'],
      ['onnx', 'model.onnx'],
    ] as const) {
      await exportModel({ model: run.folder, format, out: path.join(folder, name) });
    }
    const setup = { depth, blocks: RANKS, features };
    writeFileSync(path.join(folder, 'setup.json'), JSON.stringify(setup));
    const peer = await startPeer(request.python, 'forward.py', folder);
    const names = peer.hello['peers'] as string[];
    const took = new Map<string, number[]>();
    const note = (name: string, ms: readonly number[]) =>
      took.set(name, [...(took.get(name) ?? []), quantile(ms, 0.5)]);
    try {
      for (let round = 0; round < rounds; round++) {
        for (const batch of sizes) {
          const rows = x.subarray(0, batch * features);
          const times = batch > 64 ? 20 : 100;
          const ms: number[] = [];
          let y: Float32Array = new Float32Array();
          for (let i = -10; i < times; i++) {
            const began = performance.now();
            y = await model.predict(rows);
            if (i >= 0) ms.push(performance.now() - began);
          }
          note(String(batch), ms);
          for (const name of names) {
            const asked = { peer: name, batch, times, warmup: 10 };
            const answer = await peer.ask<{ ms: number[]; y: number[] }>(asked);
            sameAnswers(name, y, answer.y);
            note(`${batch} ${name}`, answer.ms);
          }
        }
      }
    } finally {
      await peer.close();
    }
    const rows = sizes.flatMap((batch) =>
      names.map((name) =>
        rowOf(`batch ${batch}`, name, took.get(String(batch)), took.get(`${batch} ${name}`)),
      ),
    );
    const { torch, onnxruntime } = peer.hello;
    const versions = `PyTorch ${String(torch)}; ONNX Runtime ${String(onnxruntime)}`;
    return { rows, note: `answers: ${model.engine}; ${versions}; answers agree` };
  } finally {
    await model.close();
    run.remove();
  }
}

function sameAnswers(name: string, own: Float32Array, peer: readonly number[]): void {
  const scale = Math.max(...own.map(Math.abs));
  const apart = Math.max(...own.map((value, i) => Math.abs(value - (peer[i] ?? Number.NaN))));
  if (apart <= 1e-4 * scale) return;
  throw new Error(`${name}: answers up to ${scale} differ by ${apart}; not the same network`);
}
