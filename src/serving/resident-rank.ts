import type { OutputTransform } from '../models/outputs.js';
import type { Communicator } from '../communicators/communicator.js';
import type { Standardization } from '../data/standardize.js';
import type { Engine } from '../engines/engine.js';
import { describeEngine } from '../engines/half-products.js';
import { buildNetwork } from '../model/network.js';
import { outputEdge } from '../model/edges.js';
import type { NetworkSpecification } from '../model/specification.js';
import { type FileHashes, verifyFiles } from '../checkpoints/checkpoint-folder.js';
import { loadWeights } from '../checkpoints/load-checkpoint.js';
import { Mailbox, type MailboxHandle } from './mailbox.js';
import { NetworkRunner } from './network-runner.js';

/** A network to answer with. Structured-cloneable. */
export interface InferenceJob {
  readonly specification: NetworkSpecification;
  readonly standardization: Standardization | null;
  /** Of numbers that are predicted: answers are in their units. */
  readonly outputTransform: OutputTransform | null;
  /** Folder of the weights, and what its files have to be. */
  readonly weights: string;
  readonly files: FileHashes;
  /** Of batches that ask for none of their own; 0: the network has none. */
  readonly ghosts: number;
  readonly mailbox: MailboxHandle;
}

/** What a rank tells its process. */
export type InferenceMessage =
  | { readonly type: 'ready'; readonly engine: string }
  /** Every rank of this process is done with the batch. */
  | { readonly type: 'done'; readonly batch: number };

export interface InferenceParts {
  readonly engine: Engine;
  readonly communicator: Communicator;
  /** The same ranks, for what is not counted. */
  readonly control: Communicator;
  readonly exposedS: () => number;
  /** The rank's place among those of its process. */
  readonly index: number;
  readonly post: (message: InferenceMessage) => void;
}

/**
 * Answers batches until it is asked to end, on one rank of those that hold the network.
 *
 * @throws CheckpointError when the weights are missing, damaged or of another network
 */
export function answerBatches(job: InferenceJob, parts: InferenceParts): void {
  const { specification, standardization, outputTransform, weights, files, ghosts } = job;
  const { engine, communicator, control, index, post } = parts;
  const { maxBatch, features, outputs, ranksHere } = job.mailbox;
  const network = buildNetwork(specification, engine, communicator);
  verifyFiles(weights, { files }, control);
  control.barrier();
  loadWeights(weights, network.parameters);
  const apart = ranksHere < control.size;
  const runner = new NetworkRunner(network, parts, {
    standardization,
    outputTransform,
    maxBatch,
    gather: apart,
  });
  const writesAnswers = index === 0 || (outputEdge(specification).spread === 'sharded' && !apart);
  // The largest batch first: its memory is what all others use.
  const [x, y] = [new Float32Array(maxBatch * features), new Float32Array(maxBatch * outputs)];
  for (const rows of [maxBatch, 1]) runner.run({ rows, ghosts, x, y, writesAnswers });
  control.barrier();
  const described = describeEngine(engine, specification.compute ?? 'float32');
  if (index === 0) post({ type: 'ready', engine: `${engine.name}: ${described}` });

  const mailbox = new Mailbox(job.mailbox);
  for (let batch = 0; ; batch++) {
    const rows = mailbox.await(batch);
    if (rows === 0) return;
    const began = performance.now();
    const before = parts.exposedS();
    const inUse = mailbox.ghosts(batch);
    runner.run({
      rows,
      ghosts: inUse,
      x: mailbox.x(batch, rows),
      y: mailbox.y(batch, rows),
      writesAnswers,
    });
    if (index === 0) {
      const computeS = (performance.now() - began) / 1000;
      mailbox.write(batch, { computeS, exposedS: parts.exposedS() - before });
    }
    if (mailbox.finish(batch, index)) post({ type: 'done', batch });
  }
}
