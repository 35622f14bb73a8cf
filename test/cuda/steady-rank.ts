// One rank that trains a few steps on its device of the stand-in for CUDA's libraries. The stand-in counts calls of the
// whole process, and so of all ranks: they begin and end the last step together.
import { collectiveBytes } from '#src/app/ranks/rank-parts.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { type CudaDriver, openCudaDriver } from '#src/native/cuda.js';
import { type FewStepsRequest, type RunNumbers, trainFewSteps } from '../training/few-steps.js';
import { callsOfFakeCuda } from './training-runs.js';

export interface SteadyRequest {
  readonly request: FewStepsRequest;
  readonly graphs: boolean;
  /** Calls that are counted. */
  readonly names: readonly string[];
}

export interface SteadyResult {
  readonly numbers: RunNumbers;
  /** By name, of all ranks together in the last step. */
  readonly counts: Readonly<Record<string, number>>;
  /** Of this rank's calls in the last step, those one by one, those in graphs, and graphs that were made. */
  readonly single: number;
  readonly replayed: number;
  readonly captured: number;
  /** Of its device after the last step, with what other ranks have on it: as the driver counts. */
  readonly takenBytes: number;
  /** Its tensors, and what its engine says it takes beside them. */
  readonly allocatedBytes: number;
  readonly besideBytes: number;
  readonly collectiveBytes: number;
}

function takenOf(driver: CudaDriver): number {
  const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
  if (driver.memory(free, total) !== 0) throw new Error('cuMemGetInfo failed');
  return Number(total[0]) - Number(free[0]);
}

await runRank<SteadyRequest>(async ({ data, transport, localRank }): Promise<SteadyResult> => {
  const { request, graphs, names } = data;
  const engine = await createCudaEngine({ graphs, localRank });
  const driver = await openCudaDriver();
  const calls = await callsOfFakeCuda();
  const now = () => Object.fromEntries(names.map((name) => [name, calls(name)]));
  let counts: Record<string, number> = {};
  let own = { single: 0, replayed: 0, captured: 0, takenBytes: 0 };
  const numbers = trainFewSteps(request, engine, transport, (last) => {
    transport.barrier();
    const [before, ownBefore] = [now(), { ...engine.callCounts }];
    transport.barrier();
    last();
    transport.barrier();
    const { single, replayed, captured } = engine.callCounts;
    counts = Object.fromEntries(names.map((name) => [name, calls(name) - (before[name] ?? 0)]));
    own = {
      single: single - ownBefore.single,
      replayed: replayed - ownBefore.replayed,
      captured: captured - ownBefore.captured,
      takenBytes: takenOf(driver),
    };
    transport.barrier();
  });
  const { allocatedBytes, besideBytes } = engine;
  engine.close();
  const memory = {
    allocatedBytes,
    besideBytes,
    collectiveBytes: collectiveBytes(engine, transport.size),
  };
  return { numbers, counts, ...own, ...memory };
});
