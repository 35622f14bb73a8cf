import { Communicator, type Transport } from '../../communicators/communicator.js';
import {
  type CollectiveRecord,
  type CommunicationRecord,
  RecordingTransport,
} from '../../communicators/recording/recording-transport.js';
import { ROOM_BYTES } from '../../communicators/devices/device-sums.js';
import { MpiTransport } from '../../communicators/mpi/mpi-transport.js';
import { joinNccl } from '../../communicators/nccl/nccl-transport.js';
import { joinPeers } from '../../communicators/peers/peer-transport.js';
import { StagedTransport } from '../../communicators/staged/staged-transport.js';
import { HostPhaseClock, type PhaseClock } from '../../base/phases.js';
import { countingEngine, type FlopCounter } from '../../engines/counting/counting-engine.js';
import type { Engine } from '../../engines/engine.js';
import { inPieces } from '../../engines/pieces/pieces-engine.js';
import type { Replicas } from '../../training/stepper.js';
import type { WorkMeters } from '../../training/work-meters.js';

/** An engine and communicators that count what they do, for one rank. */
export interface RankParts {
  readonly engine: Engine;
  /** Of the network. */
  readonly communicator: Communicator;
  /** The same ranks, for what is not counted: checkpoints. */
  readonly shards: Communicator;
  /** All ranks of all replicas, for agreement. */
  readonly control: Communicator;
  readonly replicas: Replicas | null;
  readonly meters: WorkMeters;
  /** Payload that this rank has sent, gradients and agreement included. */
  readonly trafficBytes: () => number;
  /** What the rank's time goes to. */
  readonly phases: PhaseClock;
}

/**
 * Puts counters around an engine and the transport of all ranks. With several replicas of R ranks,
 * rank d·R + r is rank r of replica d: it joins the ranks of its replica, which hold the network, and
 * the ranks that hold the same blocks in every replica.
 *
 * @param replicas that the ranks are divided into; default: one
 */
export function countedParts(engine: Engine, world: Transport, replicas = 1): RankParts {
  const counter: FlopCounter = { flops: 0, products: 0 };
  const phases = engine.phaseClock();
  // A group of one waits for nobody.
  const clockOf = ({ size }: Transport) => (size === 1 ? new HostPhaseClock() : phases);
  const ranks = world.size / replicas;
  const all = engine.asynchronous ? ofDevices(world, engine) : world;
  const holders = replicas === 1 ? all : all.split(Math.floor(world.rank / ranks));
  const alike = replicas === 1 ? null : all.split(world.rank % ranks);
  const network = new RecordingTransport(holders, clockOf(holders));
  // Three numbers of agreement are no communication that a network hides.
  const control = new RecordingTransport(all, clockOf(all), { hides: false });
  const gradients = alike && new RecordingTransport(alike, clockOf(alike));
  const exposedS = (record: CommunicationRecord) => total(record, 'exposedS');
  const needing = [network, gradients, control].filter((one) => one?.needsProgress === true);
  // Also where nothing has to progress: a library's bits may depend on the pieces. A device has other work
  // while the host is in a collective.
  const inEqualPieces = engine.asynchronous
    ? engine
    : inPieces(engine, () => {
        for (const one of needing) one?.progress();
      });
  return {
    engine: countingEngine(inEqualPieces, counter),
    communicator: new Communicator(network),
    shards: new Communicator(holders),
    control: new Communicator(control),
    replicas: gradients && {
      index: gradients.rank,
      count: gradients.size,
      communicator: new Communicator(gradients),
    },
    phases,
    trafficBytes: () =>
      [network, control, ...(gradients ? [gradients] : [])].reduce(
        (bytes, { record }) => bytes + total(record, 'sentBytes'),
        0,
      ),
    meters: {
      flops: () => counter.flops,
      sentBytes: () => total(network.record, 'sentBytes'),
      receivedBytes: () => total(network.record, 'receivedBytes'),
      exposedS: () =>
        exposedS(control.record) +
        // Of regions of a device that which it had nothing to do in.
        (engine.idle?.totalS() ??
          exposedS(network.record) + (gradients ? exposedS(gradients.record) : 0)),
      besideWork: !engine.asynchronous,
      collectives: {
        allGather: network.record.allGather,
        allToAll: network.record.allToAll,
        reduceScatter: network.record.reduceScatter,
        allReduce: network.record.allReduce,
        agreement: control.record.allReduce,
        gradients: gradients?.record.allReduce ?? { postedS: 0, exposedS: 0 },
      },
    },
  };
}

/** What collectives take of a rank's device, where devices exchange. @param ranks of the run */
export function collectiveBytes({ peers }: Pick<Engine, 'peers'>, ranks: number): number {
  const byHost = peers === null || peers.messages?.library === null;
  return byHost || ranks === 1 ? 0 : ROOM_BYTES;
}

/** Devices copy from each other where their ranks are threads of one process; those of several exchange by NCCL. */
function ofDevices(inner: Transport, engine: Engine): Transport {
  const { peers } = engine;
  if (inner instanceof MpiTransport) return joinNccl({ inner, copies: engine, peers });
  if (peers === null || inner.name !== 'threads') return new StagedTransport(inner, engine);
  return joinPeers({ inner, copies: engine, peers });
}

function total(record: CommunicationRecord, what: keyof CollectiveRecord): number {
  return Object.values(record).reduce((sum, counts: CollectiveRecord) => sum + counts[what], 0);
}
