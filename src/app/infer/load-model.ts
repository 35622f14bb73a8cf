import { emitWarning } from 'node:process';
import { largestPayloadBytes } from '../../analysis/network-cost.js';
import { findLauncher, type Launcher } from '../../communicators/launcher.js';
import { ConfigError } from '../../base/errors.js';
import { outputTransform } from '../../models/outputs.js';
import { ghostsRefusal, mostGhosts } from '../../models/ghosts.js';
import type { InferenceMessage } from '../../serving/resident-rank.js';
import { type LoadedModel, SessionModel } from '../../serving/loaded-model.js';
import { createMailbox } from '../../serving/mailbox.js';
import { inputWidth, outputWidth } from '../../model/specification.js';
import { computing, describeModel } from '../../models/model-source.js';
import { Session } from '../../serving/session.js';
import { validateRanks } from '../../model/specification.js';
import type { InferenceRankData } from './inference-rank.js';
import type { Bind } from '../ranks/binding.js';
import { beforeRanks, joinRanks, rankCount } from '../ranks/ranks.js';
import type { EngineChoice } from '../../engines/engine-list.js';
import type { Dtype } from '../../tensor/tensor.js';

/** Rows that a loaded model takes at a time by default. */
export const DEFAULT_MAX_BATCH = 256;
const MOST_BATCH = 1 << 20;

/** How a model is loaded. */
export interface LoadOptions {
  /** Of a run: `best`, `last`, `step-100` or a path. Default: the best by validation, or the last
   * where nothing was validated. */
  readonly checkpoint?: string | null;
  /** Worker threads that hold the network; they divide its blocks. Default: as trained, else 1;
   * under an MPI launcher the processes of the job. */
  readonly ranks?: number;
  /** Default `auto`. */
  readonly engine?: EngineChoice;
  /** What products take. Default: as the network was trained. */
  readonly compute?: Dtype;
  /** Most rows that the ranks take at a time. Default 256. */
  readonly maxBatch?: number;
  /** K': answers use the first so many ghosts of each block, unless a call says otherwise. Default:
   * all. */
  readonly ghosts?: number;
  /** Where threads run: `auto` keeps each rank, with its memory, on one NUMA node. Default: as trained,
   * else `auto`. */
  readonly bind?: Bind;
  /** Takes what slows the ranks down. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
  /** Seconds that a collective waits for missing ranks; 0: for ever. Default 60. */
  readonly timeoutS?: number;
  /** Ends the ranks at once, also while they load. */
  readonly signal?: AbortSignal;
}

/**
 * Loads a run folder (its best checkpoint), a checkpoint or a model folder on worker threads that
 * stay, or, under an MPI launcher, on the processes of the job, which all call this and `predict`
 * with the same rows and options. The caller closes it.
 *
 * @throws CheckpointError when it is missing or damaged, ConfigError for ranks that do not divide
 *   the blocks or ghosts outside 1 … K, NativeError when `blas` was asked for and there is none
 *
 * @example
 * ```ts
 * import { loadModel } from 'phantom-parallel';
 *
 * const model = await loadModel('runs/xor', { ranks: 2 });
 * const [first] = await model.predict([[0, 1], [1, 1]]);
 * console.log(`logits ${first}`);
 * await model.close();
 * ```
 */
export async function loadModel(
  folder: string,
  options: LoadOptions = {},
  launcher: Launcher | null = findLauncher(),
): Promise<LoadedModel> {
  const { engine: choice = 'auto', maxBatch = DEFAULT_MAX_BATCH, timeoutS = 60 } = options;
  const { signal, onWarning = emitWarning } = options;
  const { described, size, most } = await beforeRanks(launcher, () => {
    if (!Number.isInteger(maxBatch) || maxBatch < 1 || maxBatch > MOST_BATCH) {
      throw new ConfigError('model', `batches of ${maxBatch} rows; needs 1 to ${MOST_BATCH}`);
    }
    const found = computing(describeModel(folder, options.checkpoint), options.compute);
    const usual = found.settings?.ranks ?? 1;
    const ranks = rankCount('ranks', launcher, options.ranks ?? null, usual);
    validateRanks(found.specification.blocks, ranks);
    const there = mostGhosts(found.specification);
    const refusal = options.ghosts === undefined ? null : ghostsRefusal(options.ghosts, there);
    if (refusal !== null) {
      throw new ConfigError('model', `${folder}: ghosts ${options.ghosts}; ${refusal}`);
    }
    return { described: found, size: ranks, most: there };
  });
  const { files, ...source } = described;
  const { specification, standardization, weights } = source;
  const ghosts = options.ghosts ?? most;

  let heard: (message: InferenceMessage) => void = () => {};
  const ranks = await joinRanks({
    launcher,
    size,
    module: new URL('inference-rank.js', import.meta.url),
    timeoutS,
    bind: options.bind ?? source.settings?.bind ?? 'auto',
    onWarning,
    onMessage: (message) => heard(message as InferenceMessage),
  });
  const mailbox = createMailbox({
    features: inputWidth(specification),
    outputs: outputWidth(specification),
    maxBatch,
    ranksHere: ranks.here.length,
  });
  const data: InferenceRankData = {
    job: {
      specification,
      standardization,
      outputTransform: outputTransform(source),
      weights,
      files,
      ghosts,
      mailbox,
    },
    engine: choice,
  };
  const stagingBytes = Math.max(64 * 1024, largestPayloadBytes(specification, size, maxBatch));
  const started = ranks.start({ data, threads: { stagingBytes } });
  const session = new Session(mailbox, started);
  const abort = () => session.abort('it was asked to end at once');
  signal?.addEventListener('abort', abort);
  void session.ended.then(() => signal?.removeEventListener('abort', abort));
  if (signal?.aborted) abort();
  const engine = await new Promise<string>((resolve, reject) => {
    heard = (message) => {
      if (message.type === 'ready') resolve(message.engine);
      else session.receive(message);
    };
    void session.ended.then(() => reject(session.failure as Error));
  });
  const isFirst = ranks.here.includes(0);
  const sizes = { ...mailbox, ghosts, mostGhosts: most };
  return new SessionModel(source, sizes, { size, engine, isFirst }, session);
}
