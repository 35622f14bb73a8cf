// Products of oneDNN's on the main thread or, with `rank`, on another: node products.js rank libdnnl.so.2
import { once } from 'node:events';
import { isMainThread, Worker } from 'node:worker_threads';
import { createBlasEngine } from 'phantom-parallel/engines';
import { asMatrix } from 'phantom-parallel/tensor';

/** A hundred products of this width ended the process, in each of six tries, where signals came through. */
const WIDTH = 512;

const [thread, library = ''] = process.argv.slice(2);
if (isMainThread && thread === 'rank') {
  await once(new Worker(new URL(import.meta.url), { argv: [thread, library] }), 'exit');
} else {
  const engine = await createBlasEngine({ library });
  const matrix = () => asMatrix(engine.allocate([WIDTH, WIDTH]));
  const [a, b, c] = [matrix(), matrix(), matrix()];
  for (let i = 0; i < 100; i++) engine.gemm(false, false, 1, a, b, 0, c);
  engine.close();
  console.log('done');
}
