import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { parameterCount } from '../../analysis/network-cost.js';
import { DataError } from '../../base/errors.js';
import type { AnswerShape } from '../../data/dataset.js';
import { SafetensorsFile } from '../../data/safetensors.js';
import { isTable, openDataset } from '../../data/sources.js';
import { inspectTable, type TableInspection } from '../../data/tables/inspect-table.js';
import type { TableSchema } from '../../data/tables/schema.js';
import { exchangesGhosts } from '../../layers/strategies.js';
import { layerParameters } from '../../model/layer-parameters.js';
import { networkLayers } from '../../model/network-layers.js';
import type { NetworkSpecification } from '../../model/specification.js';
import { linearStack } from '../../models/linear-stack.js';
import { describeModel, isModelFolder, type ModelSource } from '../../models/model-source.js';
import { sameSetting } from '../../settings/given.js';
import { SETTING_KEYS, SETTINGS } from '../../settings/keys.js';
import { resolveSettings } from '../../settings/resolve.js';
import type { TrainingSettings } from '../../settings/settings.js';
import { elementCount } from '../../tensor/tensor.js';

/** What is in a file or folder. */
export type Inspection =
  | ({ readonly type: 'table'; readonly path: string } & TableInspection)
  | ArraysInspection
  | NetworkInspection
  | WeightsInspection;

/** Rows of numbers without names. */
export interface ArraysInspection {
  readonly type: 'arrays';
  readonly path: string;
  /** null: without end. */
  readonly rows: number | null;
  readonly validationRows: number;
  readonly features: number;
  /** Of all features; null where rows are generated. */
  readonly range: readonly [min: number, max: number] | null;
  readonly answers: AnswerShape;
}

/** A network of a run folder, a checkpoint or a model folder. */
export interface NetworkInspection {
  readonly type: 'network';
  readonly path: string;
  readonly kind: ModelSource['kind'];
  /** Of the checkpoint; null: a model folder. */
  readonly step: number | null;
  readonly specification: NetworkSpecification;
  readonly loss: ModelSource['loss'];
  readonly parameters: number;
  readonly standardized: boolean;
  /** Columns of the table that it was trained on; null: it was none. */
  readonly schema: TableSchema | null;
  readonly layers: readonly {
    readonly name: string;
    readonly kind: string;
    readonly outputs: number;
    readonly inputs: number;
    /** null: it exchanges none. */
    readonly ghosts: number | null;
    readonly parameters: number;
  }[];
  /** Of the run, beside those of the network, where they are not the defaults; null: a model folder. */
  readonly settings: Partial<TrainingSettings> | null;
}

/** Tensors of a file that is no model of this program. */
export interface WeightsInspection {
  readonly type: 'weights';
  readonly path: string;
  readonly parameters: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
  /** The linear layers in order; null: `problem` says why there is no such order. */
  readonly layers: readonly { readonly name: string; readonly shape: readonly number[] }[] | null;
  readonly problem: string | null;
}

/**
 * Says what is in a file or folder: the columns of a table and what a run would make of them, the
 * layers and settings of a run, a checkpoint or a model, the tensors of a file of weights, the size
 * of arrays.
 *
 * @param targets columns of a table to predict; default: as `train` chooses
 * @throws DataError, CheckpointError for what is missing, damaged or unknown
 *
 * @example
 * ```ts
 * import { inspect } from 'phantom-parallel/data';
 *
 * const found = await inspect('houses.csv');
 * if (found.type === 'table') console.log(found.columns.map(({ name, use }) => `${name}: ${use}`));
 * ```
 */
export async function inspect(
  location: string,
  { targets = null }: { readonly targets?: readonly string[] | null } = {},
): Promise<Inspection> {
  if (isModelFolder(location)) return inspectNetwork(location);
  if (isTable(location)) {
    const found = await inspectTable(location, targets === null ? {} : { targets });
    return { type: 'table', path: location, ...found };
  }
  return inspectWeights(location) ?? inspectArrays(location);
}

function inspectNetwork(folder: string): NetworkInspection {
  const { kind, step, specification, loss, standardization, schema, settings } =
    describeModel(folder);
  const hasGhosts = exchangesGhosts(specification.strategy);
  return {
    type: 'network',
    path: folder,
    kind,
    step,
    specification,
    loss,
    parameters: parameterCount(specification),
    standardized: standardization !== null,
    schema,
    layers: networkLayers(specification).map((layer) => ({
      name: layer.name,
      kind: layer.kind.name,
      outputs: layer.outputs,
      inputs: layer.inputs,
      ghosts: hasGhosts && layer.role === 'hidden' ? layer.ghosts : null,
      parameters: Array.from({ length: specification.blocks }, (_, block) =>
        layerParameters(layer, block).reduce((sum, { shape }) => sum + elementCount(shape), 0),
      ).reduce((sum, count) => sum + count, 0),
    })),
    settings: settings && changed(settings),
  };
}

function changed(settings: TrainingSettings): Partial<TrainingSettings> {
  const initial = resolveSettings([]);
  const keys = SETTING_KEYS.filter(
    (key) => SETTINGS[key].group !== 'Network' && !sameSetting(settings[key], initial[key]),
  );
  return Object.fromEntries(keys.map((key) => [key, settings[key]]));
}

/** null: no file of weights. */
function inspectWeights(location: string): WeightsInspection | null {
  if (path.extname(location).toLowerCase() !== '.safetensors') return null;
  if (!existsSync(location) || !statSync(location).isFile()) return null;
  const file = new SafetensorsFile(location);
  try {
    if (file.entries.has('x') && file.entries.has('y')) return null;
    const tensors = [...file.entries].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
    const parameters = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const common = { type: 'weights', path: location, parameters, tensors } as const;
    try {
      const layers = linearStack(file, {}).map(({ stem, rows, columns }) => ({
        name: stem,
        shape: [rows, columns],
      }));
      return { ...common, layers, problem: null };
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      return { ...common, layers: null, problem: error.message };
    }
  } finally {
    file.close();
  }
}

async function inspectArrays(location: string): Promise<ArraysInspection> {
  const { training, validation } = await openDataset(location);
  const { rows, features, answers } = training;
  return {
    type: 'arrays',
    path: location,
    rows: Number.isFinite(rows) ? rows : null,
    validationRows: validation?.rows ?? 0,
    features,
    range: training.kind === 'table' ? rangeOf(training.x) : null,
    answers:
      answers.kind === 'labels'
        ? { kind: 'labels', classes: answers.classes }
        : { kind: 'values', width: answers.width },
  };
}

function rangeOf(x: Uint8Array | Float32Array): [number, number] {
  let [min, max] = [Infinity, -Infinity];
  for (const value of x) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return [min, max];
}
