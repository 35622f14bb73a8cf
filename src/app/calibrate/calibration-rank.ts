// A rank of a calibration, on a worker thread or in a process of an MPI job.
import type { MeasuredCollectives, ProductTable, SizeTime } from '../../machine/machine.js';
import { measureCollectives } from '../../calibration/measure-collectives.js';
import {
  createWorkplace,
  measurePasses,
  measureProducts,
  quickSizes,
  type Workplace,
} from '../../calibration/measure-kernels.js';
import { Communicator } from '../../communicators/communicator.js';
import { createEngine } from '../ranks/engines.js';
import { calibrationShapes, timeSteps } from './calibration-steps.js';
import { coresAreCrowded } from './crowded-cores.js';
import { runRankProgram, withRankEngine } from '../ranks/rank-program.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import type { Dtype } from '../../tensor/tensor.js';
import type { Engine } from '../../engines/engine.js';
import type { CalibrationSizes } from '../../calibration/sizes.js';
import { countedParts } from '../ranks/rank-parts.js';
import { type DeviceWatts, measureDeviceWatts } from './device-power.js';

/** What `calibrate` gives every rank. */
export interface CalibrationRequest {
  readonly engine: EngineChoice;
  readonly relaxedSimd: boolean;
  /** Whether ranks compute on devices of the engine, and exchange what is in their memories. */
  readonly onDevices: boolean;
  /** Ranks on the device that has most of them; null: ranks are threads, or it is not known. */
  readonly onOneDevice: number | null;
  readonly sizes: CalibrationSizes;
  readonly collectives: boolean;
  /** Of kernels and steps, with products in this format; null: none. */
  readonly kernels: Dtype | null;
  /** How long watts of a device are counted, idle and busy each; 0: not at all. */
  readonly wattsS: number;
}

/** How far a calibration is. */
export interface CalibrationProgress {
  readonly what: string;
  /** Done, of one. */
  readonly share: number;
}

export interface RankCalibration {
  readonly kernels: RankKernels | null;
  /** Of the devices; null: not on this rank, or nothing counts them. */
  readonly watts: DeviceWatts | null;
  /** What the collectives went over, in words; null: none were measured on devices. */
  readonly way: string | null;
  readonly collectives: Pick<
    MeasuredCollectives,
    'allGather' | 'allToAll' | 'reduceScatter' | 'allReduce'
  > | null;
}

export interface RankKernels {
  readonly engine: string;
  readonly products: ProductTable;
  readonly passes: Readonly<Record<string, readonly SizeTime[]>>;
  /** Seconds of a step of each of the `calibrationShapes`; null: left out. */
  readonly steps: readonly (number | null)[];
}

/** Longer products and passes of a device are not measured: they are as fast as those before. */
const MOST_MS = 50;
/** Of steps, likewise. */
const MOST_STEP_MS = 500;

await runRankProgram<CalibrationRequest>(async (context): Promise<RankCalibration> => {
  const { data, rank, localRank, size, transport } = context;
  const { engine: choice, relaxedSimd, onDevices, sizes, kernels: compute } = data;
  const communicator = new Communicator(transport);
  const make = () => createEngine(choice, { relaxedSimd, localRank });
  const tell = (what: string) => (share: number) => {
    const message: CalibrationProgress = { what, share };
    if (rank === 0) context.post(message);
  };
  const about = { bytes: sizes.collectives, progress: tell(`collectives, ${size} ranks`) };
  let way: string | null = null;
  const measureExchanges = () =>
    onDevices
      ? withRankEngine(context, make, (engine) => {
          const { shards } = countedParts(engine, transport);
          way = shards.transport.description;
          const crowded = (data.onOneDevice ?? size / engine.devices) > 1;
          return measureCollectives(shards, { ...about, engine, crowded });
        })
      : measureCollectives(communicator, {
          ...about,
          engine: null,
          crowded: coresAreCrowded(communicator),
        });
  const collectives = data.collectives ? await measureExchanges() : null;
  if (compute === null) return { kernels: null, watts: null, way, collectives };
  const format = compute === 'float32' ? '' : ` in ${compute}`;
  const { watts, ...kernels } = await withRankEngine(context, make, async (engine) => {
    const place = placeOf(createWorkplace(engine, sizes, compute), communicator);
    const counted =
      data.wattsS > 0 ? await measureDeviceWatts(place, communicator, data.wattsS) : null;
    // Every rank at once: cores share the way to memory.
    communicator.barrier();
    const passes = measurePasses(place, tell(`passes over memory${format}`));
    communicator.barrier();
    const products = measureProducts(place, tell(`matrix products${format}`));
    communicator.barrier();
    const name = onDevices ? `${engine.name}, ${engine.description}` : engine.description;
    return { watts: counted, engine: name, products, passes };
  });
  const shapes = calibrationShapes(size, compute, sizes.steps);
  const steps: (number | null)[] = [];
  const mostMs = onDevices ? MOST_STEP_MS : Infinity;
  // The width from which on steps are left out.
  let slow = Infinity;
  for (const [i, shape] of shapes.entries()) {
    tell(`training steps${format}`)(i / shapes.length);
    const { width } = shape.specification;
    if (width > slow) {
      steps.push(null);
      continue;
    }
    // Engines give no memory back before they are closed: each network has one of its own.
    const step = (engine: Engine) => timeSteps(shape, { transport, engine, mostMs });
    const { seconds, isSlow } = await withRankEngine(context, make, step);
    if (isSlow) slow = width;
    steps.push(seconds);
  }
  return { kernels: { ...kernels, steps }, watts, way, collectives };
});

/** On a device without the sizes that take long; on all ranks the same. */
function placeOf(place: Workplace, communicator: Communicator): Workplace {
  if (!place.engine.asynchronous) return place;
  const { weights, passes } = quickSizes(place, MOST_MS);
  const counts = Float64Array.of(weights, passes);
  communicator.broadcast(counts, 0);
  const { sizes } = place;
  return {
    ...place,
    sizes: {
      ...sizes,
      weights: sizes.weights.slice(0, counts[0]),
      passes: sizes.passes.slice(0, counts[1]),
    },
  };
}
