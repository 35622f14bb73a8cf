import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Tensors } from '../reference/layers.js';

/** An empty folder that goes away with the test, or with whatever else has an `after`. */
export function temporaryFolder(context: { after(work: () => void): void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-test-'));
  // Retried, since a process that was ended may still write in it.
  context.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }));
  return folder;
}

/** The events of a run, from its metrics file. */
export function readMetrics(runFolder: string): Record<string, unknown>[] {
  return readFileSync(path.join(runFolder, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Losses of the logged steps of a run, in order. */
export function losses(runFolder: string): number[] {
  return readMetrics(runFolder)
    .filter((event) => event['type'] === 'step')
    .map((event) => event['loss'] as number);
}

/** All tensors of a kind in a checkpoint, read without the package's own reader. */
export function readCheckpoint(
  folder: string,
  kind: 'model' | 'optimizer' | 'average' = 'model',
): Tensors {
  const index = JSON.parse(
    readFileSync(path.join(folder, `${kind}.safetensors.index.json`), 'utf8'),
  ) as { weight_map: Record<string, string> };
  const tensors: Tensors = new Map();
  for (const shard of new Set(Object.values(index.weight_map))) {
    const bytes = readFileSync(path.join(folder, shard));
    const headerLength = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >;
    for (const [name, entry] of Object.entries(header)) {
      if (name === '__metadata__') continue;
      const [from, to] = entry.data_offsets;
      const values = new Float64Array((to - from) / 4);
      for (const i of values.keys()) {
        values[i] = bytes.readFloatLE(8 + headerLength + from + 4 * i);
      }
      tensors.set(name, { shape: entry.shape, values });
    }
  }
  return tensors;
}
