import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Parameter } from '../autograd/tape.js';
import type { Communicator } from '../communicators/communicator.js';
import { writeFromHost } from '../engines/host-engine.js';
import { SafetensorsFile } from '../data/safetensors.js';
import { CheckpointError, DataError } from '../base/errors.js';
import {
  type Entry,
  entriesOf,
  indexName,
  type Kind,
  KINDS,
  type TrainedTensors,
  weightsKind,
} from './checkpoint-entries.js';
import {
  type CheckpointState,
  readCheckpointState,
  readJson,
  verifyFiles,
} from './checkpoint-folder.js';
import { copyFirst, firstGhosts, type NestedLoad } from '../layers/phantom/first-ghosts.js';

/** What a checkpoint is read into. */
export interface LoadTarget extends Omit<TrainedTensors, 'optimizerState'> {
  /** null: the weights alone */
  readonly optimizerState: TrainedTensors['optimizerState'] | null;
  /** Ghosts of this network, K', and of the one that was trained; null, the default: the same. */
  readonly nested?: NestedLoad | null;
}

/**
 * Reads a checkpoint into parameters, optimizer state and average, called by every rank; the files
 * may come from another number of ranks. Every file is first compared with its recorded hash.
 *
 * A phantom network of K' ghosts can be read from a checkpoint of one trained with more, whose
 * ghosts are nested: it gets the first K' rows of every compressor, and the first K' columns that a
 * decompressor has for each block.
 *
 * @throws CheckpointError when something is missing, damaged or of another shape
 */
export function loadCheckpoint(
  folder: string,
  { nested = null, ...target }: LoadTarget,
  communicator: Communicator,
): CheckpointState {
  const state = readCheckpointState(folder);
  verifyFiles(folder, state, communicator);
  communicator.barrier();
  const tensors = { ...target, optimizerState: target.optimizerState ?? [] };
  for (const kind of KINDS) {
    const entries = entriesOf(kind, tensors);
    if (entries.length > 0) readEntries(folder, kind, entries, nested);
  }
  return state;
}

/**
 * Reads weights alone into parameters, from a checkpoint or model whose files have been verified:
 * their average, where it has one.
 *
 * @param folder with `model.safetensors.index.json` and its shards
 * @param nested as for `loadCheckpoint`
 * @throws CheckpointError when a tensor is missing or of another shape
 */
export function loadWeights(
  folder: string,
  parameters: readonly Parameter[],
  nested: NestedLoad | null = null,
): void {
  const kind = weightsKind((file) => existsSync(path.join(folder, file)));
  const entries = entriesOf('model', { parameters, optimizerState: [] });
  readEntries(folder, kind, entries, nested);
}

function readEntries(
  folder: string,
  kind: Kind,
  entries: readonly Entry[],
  nested: NestedLoad | null,
): void {
  const index = path.join(folder, indexName(kind));
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
      readEntry(file, entry, nested);
      if (entry.tensor === entry.parameter.value) entry.parameter.rounded();
    }
  } catch (error) {
    if (error instanceof DataError) throw new CheckpointError('checkpoint', error.message);
    throw error;
  } finally {
    for (const file of open.values()) file.close();
  }
}

function readEntry(
  file: SafetensorsFile,
  { name, parameter, tensor }: Entry,
  nested: NestedLoad | null,
): void {
  const { slice } = parameter;
  const first = nested && firstGhosts(name, tensor.shape, nested);
  const shape = first?.shape ?? slice?.shape ?? tensor.shape;
  const found = file.entry(name);
  if (found.dtype !== 'F32' || found.shape.join() !== shape.join()) {
    throw new CheckpointError(
      'checkpoint',
      `${file.path}: ${name} is ${found.dtype} [${found.shape}]; this network has F32 [${shape}]`,
    );
  }
  const write = (to: (numbers: Float32Array) => void): void =>
    writeFromHost(parameter.engine, tensor, to);
  if (first) {
    write((numbers) => copyFirst(first, file.readFloat32(name), numbers));
    return;
  }
  if (slice === null) {
    write((numbers) => file.readFloat32(name, numbers));
    return;
  }
  const whole = file.readFloat32(name);
  const width = shape[1] ?? 1;
  const partWidth = tensor.shape[1] ?? 1;
  write((numbers) => {
    for (let row = 0; row < numbers.length / partWidth; row++) {
      const from = (slice.row + row) * width + slice.column;
      numbers.set(whole.subarray(from, from + partWidth), row * partWidth);
    }
  });
}
