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
import { inHostMemory } from '../../engines/host-engine.js';

/** What `calibrate` gives every rank; null: collectives alone. */
export interface CalibrationRequest {
  readonly engine: EngineChoice | null;
  readonly relaxedSimd: boolean;
}

/** How far a calibration is. */
export interface CalibrationProgress {
  readonly what: string;
  /** Done, of one. */
  readonly share: number;
}

export interface RankCalibration {
  readonly kernels: {
    readonly engine: string;
    readonly products: ProductTable;
    readonly passes: Readonly<Record<string, readonly SizeTime[]>>;
    /** Seconds of a step of each of the `calibrationShapes`. */
    readonly steps: readonly number[];
  } | null;
  readonly collectives: Pick<
    MeasuredCollectives,
    'allGather' | 'allToAll' | 'reduceScatter' | 'allReduce'
  >;
}

await runRankProgram<CalibrationRequest>(async (context): Promise<RankCalibration> => {
  const { engine: choice, relaxedSimd } = context.data;
  const communicator = new Communicator(context.transport);
  const tell = (what: string) => (share: number) => {
    const message: CalibrationProgress = { what, share };
    if (context.rank === 0) context.post(message);
  };
  const collectives = measureCollectives(communicator, tell(`collectives, ${context.size} ranks`));
  if (choice === null) return { kernels: null, collectives };
  // Times of calls that return before they are done would be none.
  const engine = inHostMemory(
    await context.uninterrupted(() => createEngine(choice, { relaxedSimd })),
    'calibrate',
  );
  const place = createWorkplace(engine);
  // Every rank at once: cores share the way to memory.
  communicator.barrier();
  const passes = measurePasses(place, tell('passes over memory'));
  communicator.barrier();
  const products = measureProducts(place, tell('matrix products'));
  communicator.barrier();
  const shapes = calibrationShapes(context.size);
  const steps: number[] = [];
  for (const [i, shape] of shapes.entries()) {
    tell('training steps')(i / shapes.length);
    // Engines give no memory back: each network has one of its own.
    const own = await context.uninterrupted(() => createEngine(choice, { relaxedSimd }));
    steps.push(timeSteps(shape, context.transport, own));
  }
  return { kernels: { engine: engine.description, products, passes, steps }, collectives };
});
