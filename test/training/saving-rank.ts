// A rank whose part of a checkpoint is as large as the data say; returns what went wrong.
import { createEngine } from '#src/app/ranks/engines.js';
import { Parameter } from '#src/autograd/tape.js';
import { saveCheckpoint } from '#src/checkpoints/save-checkpoint.js';
import { Communicator } from '#src/communicators/communicator.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';

await runRank<{ folder: string; elements: number[] }>(async (context) => {
  const { data, rank, transport, uninterrupted } = context;
  const engine = await uninterrupted(() => createEngine('wasm', { relaxedSimd: false }));
  const parameter = new Parameter(engine, {
    name: `part.${rank}`,
    block: rank,
    shape: [data.elements[rank] ?? 1],
  });
  const contents = {
    parameters: [parameter],
    optimizerState: [],
    step: 1,
    seed: 0,
    configHash: '',
  };
  try {
    return saveCheckpoint(data.folder, contents, new Communicator(transport));
  } catch (error) {
    return (error as Error).message;
  }
});
