import { Communicator, type Transport } from '../communicators/communicator.js';
import {
  type CollectiveRecord,
  type CommunicationRecord,
  RecordingTransport,
} from '../communicators/recording/recording-transport.js';
import { countingEngine, type FlopCounter } from '../engines/counting/counting-engine.js';
import type { Engine } from '../engines/engine.js';
import type { WorkMeters } from '../training/trainer.js';

/** An engine and communicators that count what they do, for one rank. */
export interface RankParts {
  readonly engine: Engine;
  /** Of the network. */
  readonly communicator: Communicator;
  /** Of everything else: agreement between ranks, checkpoints. */
  readonly control: Communicator;
  readonly meters: WorkMeters;
}

/** Puts counters around an engine and a transport. */
export function countedParts(engine: Engine, transport: Transport): RankParts {
  const counter: FlopCounter = { flops: 0, products: 0 };
  const network = new RecordingTransport(transport);
  const control = new RecordingTransport(transport);
  return {
    engine: countingEngine(engine, counter),
    communicator: new Communicator(network),
    control: new Communicator(control),
    meters: {
      flops: () => counter.flops,
      sentBytes: () => total(network.record, 'sentBytes'),
      receivedBytes: () => total(network.record, 'receivedBytes'),
      exposedS: () => total(network.record, 'exposedS') + total(control.record, 'exposedS'),
      collectives: {
        allGather: network.record.allGather,
        reduceScatter: network.record.reduceScatter,
        allReduce: network.record.allReduce,
        agreement: control.record.allReduce,
      },
    },
  };
}

function total(record: CommunicationRecord, what: keyof CollectiveRecord): number {
  const { allGather, reduceScatter, allReduce, broadcast, barrier } = record;
  return allGather[what] + reduceScatter[what] + allReduce[what] + broadcast[what] + barrier[what];
}
