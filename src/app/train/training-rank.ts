// A rank of a training run, on a worker thread.
import type { RankContext } from '../../communicators/rank-context.js';
import type { ThreadsGroup } from '../../communicators/threads/group.js';
import { joinThreadsGroup } from '../../communicators/threads/threads-transport.js';
import { type LoaderHandle, openBatches } from '../../data/loader/loader.js';
import type { WasmModule } from '../../base/web-assembly.js';
import { measureEngine } from '../../engines/measure.js';
import { runTraining, type TrainingJob } from '../../training/trainer.js';
import { createEngine } from '../ranks/engines.js';
import { countedMesh, type MeshTransports } from '../ranks/rank-parts.js';
import { type MeterPlace, rankEnergy } from '../ranks/rank-meter.js';
import { runRankProgram } from '../ranks/rank-program.js';

/** What `trainOnRanks` gives every rank. */
export interface TrainingRankData {
  readonly job: TrainingJob;
  /** By replica, of those in this process. */
  readonly batches: readonly LoaderHandle[];
  /** null: one replica, or processes that make it. */
  readonly mesh: Mesh | null;
  readonly meter: MeterPlace;
  /** The kernels, compiled once for all ranks. */
  readonly module: WasmModule;
}

/** The groups of a run with replicas: rank d·R + r is rank r of replica d. */
export interface Mesh {
  /** By replica: the R ranks that hold the network. */
  readonly network: readonly ThreadsGroup[];
  /** By rank within a replica: the D ranks that hold the same blocks. */
  readonly replicas: readonly ThreadsGroup[];
}

function joinMesh(context: RankContext<TrainingRankData>): MeshTransports {
  const { transport: world, split, data } = context;
  const { ranks, replicas } = data.job.settings;
  if (replicas === 1) return { network: world, replicas: null, world };
  const [replica, rank] = [Math.floor(world.rank / ranks), world.rank % ranks];
  if (split !== null) return { network: split(replica), replicas: split(rank), world };
  const [ofNetwork, ofReplicas] = [data.mesh?.network[replica], data.mesh?.replicas[rank]];
  if (!ofNetwork || !ofReplicas) throw new TypeError(`rank ${world.rank} is outside the mesh`);
  return {
    network: joinThreadsGroup(ofNetwork, rank),
    replicas: joinThreadsGroup(ofReplicas, replica),
    world,
  };
}

await runRankProgram<TrainingRankData>(async (context) => {
  const { job, batches, module } = context.data;
  const { engine: choice, relaxedSimd, ranks } = job.settings;
  const make = () => createEngine(choice, { relaxedSimd, module });
  const bare = await context.uninterrupted(make);
  // An engine of its own, so that the measurement takes none of the run's memory.
  const peakFlopsPerS = context.rank === 0 ? measureEngine(await make()).flopsPerS : 0;
  const handle = batches[Math.floor(context.index / ranks)];
  if (!handle) throw new TypeError(`no batches for rank ${context.rank}`);
  const parts = countedMesh(bare, joinMesh(context));
  const metered = { ...job.settings, ...context.data.meter, ...parts, index: context.index };
  return runTraining(job, {
    ...parts,
    energy: await context.uninterrupted(() => rankEnergy(metered)),
    batches: openBatches(handle, context.index % ranks),
    peakFlopsPerS,
    stopRequested: context.stopRequested,
    onEvent: context.post,
  });
});
