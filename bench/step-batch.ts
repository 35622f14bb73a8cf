// What every step of the benchmark takes, and the files that give it to another program.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Batch } from '#src/data/loader/batches.js';
import type { FeedForward } from '#src/model/network.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { randomStream } from '#src/tensor/random.js';

/** Writes this rank's weights, with their shapes in `rank-R.json`. */
export function writeWeights(folder: string, network: FeedForward, rank: number): void {
  const shapes = network.parameters.map(({ name, value, engine }) => {
    writeFileSync(path.join(folder, `${name}.f32`), engine.toHost(value));
    return [name, value.shape];
  });
  writeFileSync(path.join(folder, `rank-${rank}.json`), JSON.stringify(Object.fromEntries(shapes)));
}

/** x and y of every step, [width, columns]. */
export function stepBatch(width: number, columns: number): { x: Float32Array; y: Float32Array } {
  const [x, y] = [new Float32Array(width * columns), new Float32Array(width * columns)];
  randomStream(0, 'x').fillNormal(x, 0);
  randomStream(0, 'y').fillNormal(y, 0);
  return { x, y };
}

/** The same random batch for ever. */
export function repeated(specification: NetworkSpecification, columns: number) {
  const { x, y } = stepBatch(specification.width, columns);
  const batch: Batch = {
    kind: 'training',
    step: 0,
    microBatch: 0,
    index: 0,
    columns,
    validColumns: columns,
    x,
    y,
  };
  return { next: () => batch };
}
