// A rank of a training run on worker threads.
import type { Transport } from '../communicators/communicator.js';
import type { ThreadsGroup } from '../communicators/threads/group.js';
import { joinThreadsGroup } from '../communicators/threads/threads-transport.js';
import { runRank } from '../communicators/threads/worker.js';
import { type LoaderHandle, openBatches } from '../data/loader/loader.js';
import type { WasmModule } from '../web-assembly.js';
import { measureEngine } from '../engines/measure.js';
import { runTraining, type TrainingJob } from '../training/trainer.js';
import { createEngine } from './engines.js';
import { countedMesh, type MeshTransports } from './rank-parts.js';

/** What `trainRun` gives every rank. */
export interface TrainingRankData {
  readonly job: TrainingJob;
  /** By replica. */
  readonly batches: readonly LoaderHandle[];
  readonly mesh: Mesh | null;
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

function joinMesh(mesh: Mesh | null, world: Transport): MeshTransports {
  if (mesh === null) return { network: world, replicas: null, world };
  const ranks = mesh.replicas.length;
  const [replica, rank] = [Math.floor(world.rank / ranks), world.rank % ranks];
  const [network, replicas] = [mesh.network[replica], mesh.replicas[rank]];
  if (!network || !replicas) throw new TypeError(`rank ${world.rank} is outside the mesh`);
  return {
    network: joinThreadsGroup(network, rank),
    replicas: joinThreadsGroup(replicas, replica),
    world,
  };
}

await runRank<TrainingRankData>(async (context) => {
  const { job, batches, mesh, module } = context.data;
  const { engine: choice, relaxedSimd } = job.settings;
  const make = () => createEngine(choice, { relaxedSimd, module });
  const bare = await context.uninterrupted(make);
  // An engine of its own, so that the measurement takes none of the run's memory.
  const peakFlopsPerS = context.rank === 0 ? measureEngine(await make()).flopsPerS : 0;
  const transports = joinMesh(mesh, context.transport);
  const handle = batches[transports.replicas?.rank ?? 0];
  if (!handle) throw new TypeError(`no batches for rank ${context.rank}`);
  return runTraining(job, {
    ...countedMesh(bare, transports),
    batches: openBatches(handle, transports.network.rank),
    peakFlopsPerS,
    stopRequested: context.stopRequested,
    onEvent: context.post,
  });
});
