import path from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { Communicator } from '../communicators/communicator.js';
import {
  fromTransfer,
  toTransfer,
  type TransferredError,
} from '../communicators/error-transfer.js';
import { Exchange } from '../communicators/exchange.js';
import {
  SafetensorsFile,
  type SafetensorsTensor,
  type SafetensorsWritten,
  writeSafetensors,
} from '../data/safetensors.js';
import { CheckpointError } from '../base/errors.js';
import {
  type Entry,
  entriesOf,
  indexName,
  type Kind,
  KINDS,
  type TrainedTensors,
} from './checkpoint-entries.js';
import {
  formatCheckpointState,
  hashFile,
  readCheckpointState,
  shardName,
} from './checkpoint-folder.js';
import {
  checkpointName,
  discard,
  listCheckpoints,
  partialOf,
  publish,
  removeFolder,
  tidyCheckpoints,
} from './checkpoint-list.js';
import { NO_PROGRESS, type TrainingProgress } from './training-progress.js';
import { checkLock, type WriteLock } from './run-lock.js';
import {
  isSystemError,
  makeFolder,
  makeFolders,
  remedyFor,
  syncFolder,
  writeSynced,
} from '../base/files.js';

/** What a checkpoint is made of; every rank gives its own part. */
export interface CheckpointContents extends TrainedTensors {
  readonly step: number;
  readonly seed: number;
  readonly configHash: string;
  /** Of the run folder, looked at before anything is written; absent: nobody else writes there. */
  readonly lock?: WriteLock;
  /** What the run has seen so far. Default: nothing. */
  readonly progress?: TrainingProgress;
  /** Whether it is written only because it is the best by now. Default: no. */
  readonly onlyBest?: boolean;
  /** Further files of the checkpoint, by name. */
  readonly texts?: Readonly<Record<string, string>>;
}

/**
 * Writes `<checkpoints>/step-…`, called by every rank. The folder appears under its name only when
 * every file in it is written and synced; when that fails nothing is left of it. One that has the
 * name already stays until the new one has been read back.
 *
 * @param keep newest checkpoints to keep, besides that of step 0 and the best; null: all
 * @returns the folder
 * @throws CheckpointError when a file cannot be written, with the system's reason: on every rank
 *   that of the first one that could not
 */
export function saveCheckpoint(
  checkpoints: string,
  contents: CheckpointContents,
  communicator: Communicator,
  keep: number | null = null,
): string {
  const { rank } = communicator;
  const final = path.join(checkpoints, checkpointName(contents.step));
  const partial = partialOf(final);
  const inform = (error: NodeJS.ErrnoException) =>
    lossOf(contents.lock) ?? saveError(checkpoints, error);
  const all = <T>(work: () => T): T => together(work, inform, communicator);
  const first = (work: () => void): void => all(() => (rank === 0 ? work() : undefined));
  try {
    first(() => {
      // A run folder that was removed is not made again.
      if (contents.lock) checkLock(contents.lock);
      else makeFolders(path.dirname(checkpoints));
      tidyCheckpoints(checkpoints);
      for (const folder of [checkpoints, partial]) makeFolder(folder);
    });
    const written = kindsOf(contents).map((kind) => {
      const tensors = tensorsOf(entriesOf(kind, contents), communicator);
      const file = path.join(partial, shardName(kind, rank, communicator.size));
      return all(() => writeSafetensors(file, tensors));
    });
    const everyones = gatherHashes(written, communicator);
    first(() => {
      finish(partial, contents, everyones, communicator.size);
      if (contents.lock) checkLock(contents.lock);
      publish(partial, final);
      syncFolder(checkpoints);
      removeOld(checkpoints, contents, keep);
    });
  } catch (error) {
    if (rank === 0) removeFolder(partial);
    throw error;
  }
  return final;
}

/**
 * Does a rank's part of a work on files. Where a rank fails all do, with the first one's error: so
 * that what people hear of is the cause, and nobody fails on what another has cleared away.
 *
 * @param inform makes the error that people get from the system's
 */
function together<T>(
  work: () => T,
  inform: (error: NodeJS.ErrnoException) => unknown,
  communicator: Communicator,
): T {
  let done: { readonly value: T } | null = null;
  let failure: Uint8Array | null = null;
  try {
    done = { value: work() };
  } catch (error) {
    const informed = isSystemError(error) ? inform(error) : error;
    failure = serialize(toTransfer(informed));
  }
  const none = new Uint8Array(0);
  const first = new Exchange(communicator).first(failure !== null, failure ?? none);
  if (first.failed) throw fromTransfer(deserialize(first.bytes) as TransferredError);
  return (done as { readonly value: T }).value;
}

/** Why nothing more may be written, where that is so. */
function lossOf(lock: WriteLock | undefined): unknown {
  try {
    if (lock) checkLock(lock);
    return null;
  } catch (error) {
    return error;
  }
}

function saveError(checkpoints: string, error: NodeJS.ErrnoException): CheckpointError {
  const what = `cannot write a checkpoint in ${checkpoints}: ${error.message}`;
  const rest =
    listCheckpoints(checkpoints).length > 0
      ? `earlier checkpoints are intact; ${remedyFor(error)} and resume`
      : remedyFor(error);
  return new CheckpointError('checkpoint', `${what}; ${rest}`);
}

/** The kinds that there are, the same on every rank: an optimizer may have no state. */
function kindsOf(contents: CheckpointContents): Kind[] {
  return KINDS.filter((kind) => entriesOf(kind, contents).length > 0);
}

/** What this rank writes of a kind. */
function tensorsOf(entries: readonly Entry[], communicator: Communicator): SafetensorsTensor[] {
  const own = entries
    .filter((entry) => entry.parameter.slice === null)
    .map(({ name, tensor, parameter }) =>
      float32(name, tensor.shape, parameter.engine.toHost(tensor)),
    );
  return [...own, ...assembleSlices(entries, communicator)];
}

function float32(name: string, shape: readonly number[], data: Float32Array): SafetensorsTensor {
  return { name, dtype: 'F32', shape, data };
}

/** Brings the parts of each sliced matrix together; rank 0 gets the matrices, the others none. */
function assembleSlices(entries: readonly Entry[], communicator: Communicator) {
  const sliced = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (entry.parameter.slice === null) continue;
    sliced.set(entry.name, [...(sliced.get(entry.name) ?? []), entry]);
  }
  const assembled: SafetensorsTensor[] = [];
  for (const [name, parts] of sliced) {
    const [first] = parts;
    const slice = first?.parameter.slice;
    if (!first || !slice) continue;
    const partLength = first.tensor.length;
    const send = new Float32Array(partLength * parts.length);
    for (const [i, part] of parts.entries())
      send.set(part.parameter.engine.toHost(part.tensor), i * partLength);
    const received = new Float32Array(send.length * communicator.size);
    communicator.allGather(send, received);
    if (communicator.rank !== 0) continue;

    const width = slice.shape[1] ?? 1;
    const partWidth = first.tensor.shape[1] ?? 1;
    const partRows = partLength / partWidth;
    const blocks = received.length / partLength;
    // Parts are stacked by rows, or stand side by side.
    const byRows = partWidth === width;
    const whole = new Float32Array(received.length);
    for (let block = 0; block < blocks; block++) {
      for (let row = 0; row < partRows; row++) {
        const from = block * partLength + row * partWidth;
        const to = byRows ? (block * partRows + row) * width : row * width + block * partWidth;
        whole.set(received.subarray(from, from + partWidth), to);
      }
    }
    assembled.push(float32(name, slice.shape, whole));
  }
  return assembled;
}

/** Hashes and sizes of every rank's files, [rank][kind]. */
function gatherHashes(
  written: readonly SafetensorsWritten[],
  communicator: Communicator,
): SafetensorsWritten[][] {
  // A byte travels as a float32, the size in three parts of 20 bits: exact.
  const length = 32 + 3;
  const send = new Float32Array(length * written.length);
  for (const [i, { sha256, bytes }] of written.entries()) {
    send.set(Buffer.from(sha256, 'hex'), i * length);
    send.set(
      [bytes % 2 ** 20, Math.floor(bytes / 2 ** 20) % 2 ** 20, Math.floor(bytes / 2 ** 40)],
      i * length + 32,
    );
  }
  const received = new Float32Array(send.length * communicator.size);
  communicator.allGather(send, received);
  return Array.from({ length: communicator.size }, (_, rank) =>
    written.map((_file, i) => {
      const from = (rank * written.length + i) * length;
      const [low = 0, middle = 0, high = 0] = received.subarray(from + 32, from + 35);
      return {
        sha256: Buffer.from(Uint8Array.from(received.subarray(from, from + 32))).toString('hex'),
        bytes: low + middle * 2 ** 20 + high * 2 ** 40,
      };
    }),
  );
}

function finish(
  folder: string,
  contents: CheckpointContents,
  everyones: readonly (readonly SafetensorsWritten[])[],
  ranks: number,
): void {
  const files: Record<string, SafetensorsWritten> = {};
  for (const [i, kind] of kindsOf(contents).entries()) {
    const shards = everyones.flatMap((written, rank) => {
      const file = written[i];
      if (file === undefined) return [];
      const name = shardName(kind, rank, ranks);
      files[name] = file;
      return [name];
    });
    const index = indexName(kind);
    writeSynced(path.join(folder, index), indexOf(folder, shards));
    files[index] = hashFile(path.join(folder, index));
  }
  for (const [name, text] of Object.entries(contents.texts ?? {})) {
    writeSynced(path.join(folder, name), text);
    files[name] = hashFile(path.join(folder, name));
  }
  const state = formatCheckpointState({
    format: 'phantom-parallel checkpoint',
    version: 1,
    step: contents.step,
    random: { seed: contents.seed, nextBatch: contents.step },
    configHash: contents.configHash,
    ranks,
    files,
    progress: contents.progress ?? NO_PROGRESS,
    onlyBest: contents.onlyBest ?? false,
  });
  writeSynced(path.join(folder, 'state.json'), state);
  syncFolder(folder);
}

/** Which shard holds which tensor, as the Hugging Face convention has it. */
export function indexOf(folder: string, shards: readonly string[]): string {
  const map: Record<string, string> = {};
  let bytes = 0;
  for (const shard of shards) {
    const file = new SafetensorsFile(path.join(folder, shard));
    for (const [name, entry] of file.entries) {
      map[name] = shard;
      bytes += entry.byteLength;
    }
    file.close();
  }
  return `${JSON.stringify({ metadata: { total_size: bytes }, weight_map: map }, null, 2)}\n`;
}

/** Removes those that were only the best until now, and all but the newest to be kept. */
function removeOld(
  checkpoints: string,
  { step: saved, progress }: CheckpointContents,
  keep: number | null,
): void {
  const best = progress?.best?.step;
  const old = listCheckpoints(checkpoints).filter(({ step }) => step > 0 && step !== saved);
  const surpassed = best === saved ? old.filter(({ folder }) => wasOnlyBest(folder)) : [];
  const others = old.filter((each) => !surpassed.includes(each));
  const kept = keep === null ? others.length : saved > 0 ? keep - 1 : keep;
  const surplus = others.slice(0, Math.max(0, others.length - kept));
  for (const { step, folder } of [...surpassed, ...surplus]) {
    if (step !== best) discard(folder);
  }
}

function wasOnlyBest(folder: string): boolean {
  try {
    return readCheckpointState(folder).onlyBest;
  } catch {
    return false; // A damaged one is for the run to say, when it is looked at.
  }
}
