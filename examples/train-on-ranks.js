// Train the same network with tensor and with phantom parallelism over 2 ranks, from a script.
// node examples/train-on-ranks.js
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { train } from 'phantom-parallel';

const folder = mkdtempSync(path.join(tmpdir(), 'phantom-example-'));
for (const strategy of /** @type {const} */ (['tensor', 'phantom'])) {
  const end = await train(
    {
      strategy,
      width: 256,
      depth: 2,
      blocks: 4,
      ghosts: 8,
      ranks: 2,
      data: 'fashion-10k',
      batch: 64,
      epochs: 1,
      lr: 0.002,
      out: path.join(folder, strategy),
    },
    {
      onEvent(event) {
        if (event.type !== 'start') return;
        const bytes = event.receivedBytesPerStep;
        console.log(`${strategy}: ${event.parameters} parameters, ${bytes} bytes received a step`);
      },
    },
  );
  const percent = (100 * (end.validationAccuracy ?? 0)).toFixed(1);
  console.log(`${strategy}: ${percent}% of the validation part after ${end.step} steps`);
}
