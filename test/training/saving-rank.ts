// A rank whose part of a checkpoint is as large as the data say; returns what went wrong.
import { Communicator, createEngine, Parameter, runRank, saveCheckpoint } from 'phantom-parallel';

await runRank<{ folder: string; elements: number[] }>(async (context) => {
  const { data, rank, transport, uninterrupted } = context;
  const engine = await uninterrupted(() => createEngine('wasm', { relaxedSimd: false }));
  const parameter = new Parameter(engine, `part.${rank}`, rank, [data.elements[rank] ?? 1]);
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
