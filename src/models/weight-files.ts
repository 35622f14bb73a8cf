import { existsSync } from 'node:fs';
import path from 'node:path';
import { SafetensorsFile } from '../data/safetensors.js';
import { CheckpointError, DataError } from '../base/errors.js';
import { indexName, type Kind, weightsKind } from '../checkpoints/checkpoint-entries.js';
import { readJson } from '../checkpoints/checkpoint-folder.js';

/** The weights of a checkpoint or model folder, or an optimizer's state, read tensor by tensor;
 * close it when done. */
export class WeightFiles {
  readonly #folder: string;
  readonly #shards: Readonly<Record<string, unknown>>;
  readonly #open = new Map<string, SafetensorsFile>();

  /**
   * @param only null: the average of the weights, where there is one, else the weights
   * @throws CheckpointError when the index is missing or damaged
   */
  constructor(folder: string, only: Kind | null = null) {
    this.#folder = folder;
    const kind = only ?? weightsKind((name) => existsSync(path.join(folder, name)));
    const file = path.join(folder, indexName(kind));
    const { weight_map: map } = (readJson(file) ?? {}) as { weight_map?: unknown };
    if (typeof map !== 'object' || map === null) {
      throw new CheckpointError('model', `${file}: it has no weight_map; the file is damaged`);
    }
    this.#shards = map as Record<string, unknown>;
  }

  /**
   * Reads a tensor of float32 numbers.
   *
   * @throws CheckpointError when it is missing or of another shape
   */
  read(name: string, shape: readonly number[], out?: Float32Array): Float32Array {
    const shard = this.#shards[name];
    if (typeof shard !== 'string' || path.basename(shard) !== shard) {
      throw new CheckpointError('model', `${this.#folder}: no tensor ${name}`);
    }
    try {
      const file = this.#open.get(shard) ?? new SafetensorsFile(path.join(this.#folder, shard));
      this.#open.set(shard, file);
      const found = file.entry(name);
      if (found.dtype !== 'F32' || found.shape.join() !== shape.join()) {
        throw new CheckpointError(
          'model',
          `${file.path}: ${name} is ${found.dtype} [${found.shape}]; the network has F32 [${shape}]`,
        );
      }
      return file.readFloat32(name, out);
    } catch (error) {
      if (error instanceof DataError) throw new CheckpointError('model', error.message);
      throw error;
    }
  }

  /** Names of the files, in order. */
  get shards(): string[] {
    return [...new Set(Object.values(this.#shards))]
      .filter((name): name is string => typeof name === 'string' && path.basename(name) === name)
      .toSorted();
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }
}
