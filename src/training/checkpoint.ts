import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Parameter } from '../autograd/tape.js';
import type { Communicator } from '../communicators/communicator.js';
import {
  SafetensorsFile,
  type SafetensorsTensor,
  type SafetensorsWritten,
  writeSafetensors,
} from '../data/safetensors.js';
import { CheckpointError, DataError } from '../errors.js';
import type { OptimizerState } from '../optimizers/optimizer.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  type CheckpointState,
  checkpointName,
  hashFile,
  listCheckpoints,
  readCheckpointState,
  readJson,
  shardName,
  verifyFiles,
} from './checkpoint-folder.js';
import { isSystemError, makeFolders, remedyFor, syncFolder, writeSynced } from './files.js';

/** A tensor of a checkpoint, as one rank holds it: whole, or a part of a matrix that is sliced. */
interface Entry {
  readonly name: string;
  readonly parameter: Parameter;
  readonly tensor: Tensor;
}

const KINDS = ['model', 'optimizer'] as const;
type Kind = (typeof KINDS)[number];

/** What a checkpoint is made of; every rank gives its own part. */
export interface CheckpointContents {
  readonly parameters: readonly Parameter[];
  readonly optimizerState: readonly OptimizerState[];
  readonly step: number;
  readonly seed: number;
  readonly configHash: string;
}

/**
 * Writes `<checkpoints>/step-…`, called by every rank. The folder appears under its name only when
 * every file in it is written and synced; when that fails nothing is left of it.
 *
 * @param keep newest checkpoints to keep, besides that of step 0; null: all
 * @returns the folder
 * @throws CheckpointError when a file cannot be written, with the system's reason
 */
export function saveCheckpoint(
  checkpoints: string,
  contents: CheckpointContents,
  communicator: Communicator,
  keep: number | null = null,
): string {
  const final = path.join(checkpoints, checkpointName(contents.step));
  const partial = path.join(checkpoints, `.${checkpointName(contents.step)}.partial`);
  const { rank } = communicator;
  try {
    if (rank === 0) {
      removeStale(checkpoints);
      makeFolders(partial);
    }
    communicator.barrier();
    const written = KINDS.flatMap((kind) => writeShard(partial, kind, contents, communicator));
    const everyones = gatherHashes(written, communicator);
    if (rank === 0) {
      finish(partial, contents, everyones, communicator.size);
      rmSync(final, { recursive: true, force: true });
      renameSync(partial, final);
      syncFolder(checkpoints);
      removeOld(checkpoints, keep);
    }
  } catch (error) {
    const cause = isSystemError(error) ? saveError(checkpoints, error) : error;
    // The others must not fail on the folder that goes away before they hear of the cause.
    communicator.abort((cause as Error).message);
    removePartial(partial);
    throw cause;
  }
  communicator.barrier();
  return final;
}

/** Removes what is left of a checkpoint; another rank may still be writing a file of it. */
function removePartial(partial: string): void {
  try {
    rmSync(partial, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  } catch {
    // What failed first is what people have to hear of; the next run removes the rest.
  }
}

function saveError(checkpoints: string, error: NodeJS.ErrnoException): CheckpointError {
  const what = `cannot write a checkpoint in ${checkpoints}: ${error.message}`;
  const rest =
    listCheckpoints(checkpoints).length > 0
      ? `earlier checkpoints are whole; ${remedyFor(error)} and resume`
      : remedyFor(error);
  return new CheckpointError('checkpoint', `${what}; ${rest}`);
}

function writeShard(
  folder: string,
  kind: Kind,
  contents: CheckpointContents,
  communicator: Communicator,
): SafetensorsWritten[] {
  const entries = entriesOf(kind, contents.parameters, contents.optimizerState);
  if (kind === 'optimizer' && entries.length === 0) return [];
  const own = entries
    .filter((entry) => entry.parameter.slice === null)
    .map(({ name, tensor }) => float32(name, tensor.shape, tensor.data));
  const assembled = assembleSlices(entries, communicator);
  const file = path.join(folder, shardName(kind, communicator.rank, communicator.size));
  return [writeSafetensors(file, [...own, ...assembled])];
}

function entriesOf(
  kind: Kind,
  parameters: readonly Parameter[],
  optimizerState: readonly OptimizerState[],
): Entry[] {
  return kind === 'model'
    ? parameters.map((parameter) => ({
        name: parameter.name,
        parameter,
        tensor: parameter.value,
      }))
    : [...optimizerState];
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
    const partLength = first.tensor.data.length;
    const send = new Float32Array(partLength * parts.length);
    for (const [i, part] of parts.entries()) send.set(part.tensor.data, i * partLength);
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
  for (const [i, kind] of KINDS.entries()) {
    const shards = everyones.flatMap((written, rank) => {
      const file = written[i];
      if (file === undefined) return [];
      const name = shardName(kind, rank, ranks);
      files[name] = file;
      return [name];
    });
    if (shards.length === 0) continue;
    const index = `${kind}.safetensors.index.json`;
    writeSynced(path.join(folder, index), indexOf(folder, shards));
    files[index] = hashFile(path.join(folder, index));
  }
  const state: CheckpointState = {
    format: 'phantom-parallel checkpoint',
    version: 1,
    step: contents.step,
    random: { seed: contents.seed, nextBatch: contents.step },
    configHash: contents.configHash,
    ranks,
    files,
  };
  writeSynced(path.join(folder, 'state.json'), `${JSON.stringify(state, null, 2)}\n`);
  syncFolder(folder);
}

/** Which shard holds which tensor, as the Hugging Face convention has it. */
function indexOf(folder: string, shards: readonly string[]): string {
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

/** Removes checkpoints that were being written when a run was killed. */
function removeStale(checkpoints: string): void {
  if (!existsSync(checkpoints)) return;
  for (const name of readdirSync(checkpoints)) {
    if (/^\.step-\d+\.partial$/.test(name)) removePartial(path.join(checkpoints, name));
  }
}

function removeOld(checkpoints: string, keep: number | null): void {
  if (keep === null) return;
  const steps = listCheckpoints(checkpoints).filter((step) => step > 0);
  for (const step of steps.slice(0, Math.max(0, steps.length - keep))) {
    rmSync(path.join(checkpoints, checkpointName(step)), { recursive: true, force: true });
  }
}

/**
 * Reads a checkpoint into parameters and optimiser state, called by every rank; the files may
 * come from another number of ranks. Every file is first compared with its recorded hash.
 *
 * @param optimizerState null: the weights alone
 * @throws CheckpointError when something is missing, damaged or of another shape
 */
export function loadCheckpoint(
  folder: string,
  parameters: readonly Parameter[],
  optimizerState: readonly OptimizerState[] | null,
  communicator: Communicator,
): CheckpointState {
  const state = readCheckpointState(folder);
  verifyFiles(folder, state, communicator);
  communicator.barrier();
  for (const kind of KINDS) {
    if (kind === 'optimizer' && (optimizerState === null || optimizerState.length === 0)) continue;
    readEntries(folder, kind, entriesOf(kind, parameters, optimizerState ?? []));
  }
  return state;
}

function readEntries(folder: string, kind: Kind, entries: readonly Entry[]): void {
  const index = path.join(folder, `${kind}.safetensors.index.json`);
  const { weight_map: map } = readJson(index) as { weight_map?: Record<string, string> };
  const open = new Map<string, SafetensorsFile>();
  try {
    for (const entry of entries) {
      const shard = map?.[entry.name];
      if (typeof shard !== 'string' || path.basename(shard) !== shard) {
        throw new CheckpointError(
          'checkpoint',
          `${index}: no tensor ${entry.name}; the checkpoint is of another network or optimizer`,
        );
      }
      const file = open.get(shard) ?? new SafetensorsFile(path.join(folder, shard));
      open.set(shard, file);
      readEntry(file, entry);
    }
  } catch (error) {
    if (error instanceof DataError) throw new CheckpointError('checkpoint', error.message);
    throw error;
  } finally {
    for (const file of open.values()) file.close();
  }
}

function readEntry(file: SafetensorsFile, { name, parameter, tensor }: Entry): void {
  const { slice } = parameter;
  const shape = slice?.shape ?? tensor.shape;
  const found = file.entry(name);
  if (found.dtype !== 'F32' || found.shape.join() !== shape.join()) {
    throw new CheckpointError(
      'checkpoint',
      `${file.path}: ${name} is ${found.dtype} [${found.shape}]; this network has F32 [${shape}]`,
    );
  }
  if (slice === null) {
    file.readFloat32(name, tensor.data);
    return;
  }
  const whole = file.readFloat32(name);
  const width = shape[1] ?? 1;
  const partWidth = tensor.shape[1] ?? 1;
  for (let row = 0; row < tensor.data.length / partWidth; row++) {
    const from = (slice.row + row) * width + slice.column;
    tensor.data.set(whole.subarray(from, from + partWidth), row * partWidth);
  }
}
