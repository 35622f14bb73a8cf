// A rank of a calibration, on a worker thread or in a process of an MPI job.
import type { MeasuredCollectives, ProductTable, SizeTime } from '../../machine/machine.js';
import { measureCollectives } from '../../calibration/measure-collectives.js';
import {
  createWorkplace,
  measurePasses,
  measureProducts,
} from '../../calibration/measure-kernels.js';
import { Communicator } from '../../communicators/communicator.js';
import { createEngine } from '../ranks/engines.js';
import { calibrationShapes, timeSteps } from './calibration-steps.js';
import { runRankProgram } from '../ranks/rank-program.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import type { Dtype } from '../../tensor/tensor.js';
import { inHostMemory } from '../../engines/host-engine.js';

/** What `calibrate` gives every rank. */
export interface CalibrationRequest {
  readonly collectives: boolean;
  /** Null: no kernels. */
  readonly kernels: KernelRequest | null;
}

/** Which kernels are measured: of an engine, with products in one format. */
export interface KernelRequest {
  readonly engine: EngineChoice;
  readonly relaxedSimd: boolean;
  readonly compute: Dtype;
}

/** How far a calibration is. */
export interface CalibrationProgress {
  readonly what: string;
  /** Done, of one. */
  readonly share: number;
}

export interface RankCalibration {
  readonly kernels: RankKernels | null;
  readonly collectives: Pick<
    MeasuredCollectives,
    'allGather' | 'allToAll' | 'reduceScatter' | 'allReduce'
  > | null;
}

export interface RankKernels {
  readonly engine: string;
  readonly products: ProductTable;
  readonly passes: Readonly<Record<string, readonly SizeTime[]>>;
  /** Seconds of a step of each of the `calibrationShapes`. */
  readonly steps: readonly number[];
}

await runRankProgram<CalibrationRequest>(async (context): Promise<RankCalibration> => {
  const { data, rank, size, transport } = context;
  const communicator = new Communicator(transport);
  const tell = (what: string) => (share: number) => {
    const message: CalibrationProgress = { what, share };
    if (rank === 0) context.post(message);
  };
  const collectives = data.collectives
    ? measureCollectives(communicator, tell(`collectives, ${size} ranks`))
    : null;
  if (data.kernels === null) return { kernels: null, collectives };
  const { engine: choice, relaxedSimd, compute } = data.kernels;
  const create = () => context.uninterrupted(() => createEngine(choice, { relaxedSimd }));
  // Times of calls that return before they are done would be none.
  const engine = inHostMemory(await create(), 'calibrate');
  const place = createWorkplace(engine, compute);
  const format = compute === 'float32' ? '' : ` in ${compute}`;
  // Every rank at once: cores share the way to memory.
  communicator.barrier();
  const passes = measurePasses(place, tell(`passes over memory${format}`));
  communicator.barrier();
  const products = measureProducts(place, tell(`matrix products${format}`));
  communicator.barrier();
  const shapes = calibrationShapes(size, compute);
  const steps: number[] = [];
  for (const [i, shape] of shapes.entries()) {
    tell(`training steps${format}`)(i / shapes.length);
    // Engines give no memory back: each network has one of its own.
    steps.push(timeSteps(shape, transport, await create()));
  }
  return { kernels: { engine: engine.description, products, passes, steps }, collectives };
});
