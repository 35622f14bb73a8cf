import { curveOf, type OutputTransform } from '../models/outputs.js';
import { ForwardMemory, ForwardPass } from '../autograd/forward-pass.js';
import { Variable } from '../autograd/tape.js';
import type { Communicator } from '../communicators/communicator.js';
import { affine, gatherColumns, type GatherSource } from '../data/loader/columns.js';
import type { Standardization } from '../data/standardize.js';
import type { Engine } from '../engines/engine.js';
import { writeFromHost } from '../engines/host-engine.js';
import { edgeRows, inputEdge, outputEdge } from '../model/edges.js';
import type { FeedForward } from '../model/network.js';
import { type Tensor, tensorPart } from '../tensor/tensor.js';

/** Products that all plans may have between them, at some 250 bytes each. */
const MOST_PRODUCTS = 1 << 18;
/** Of a layer, besides those with ghosts: what else a plan holds, in the same measure. */
const OTHER_PRODUCTS = 16;

/** Rows and columns of a transposition that are written together: a cache line of floats. */
const TILE = 16;

interface Plan {
  readonly pass: ForwardPass;
  readonly x: Variable;
  /** Of every rank, where answers are sharded and have to be gathered; [N, rows]. */
  readonly gathered: Float32Array | null;
  readonly products: number;
}

/** What a runner is made for. */
export interface RunnerOptions {
  readonly standardization: Standardization | null;
  readonly outputTransform: OutputTransform | null;
  /** Rows of the largest batch. */
  readonly maxBatch: number;
  /** Whether every rank needs all answers of a network with sharded ends; else each writes its
   * own, into memory that they share. */
  readonly gather: boolean;
  /** Products that plans keep between them, at most; default 262,144. */
  readonly mostProducts?: number;
}

/** Rows to answer. */
export interface RunnerBatch {
  readonly rows: number;
  /** In use, 1 … K; 0: the network has none. */
  readonly ghosts: number;
  /** [rows, features] */
  readonly x: Float32Array;
  /** [rows, outputs]; this rank's part of it is written. */
  readonly y: Float32Array;
  readonly writesAnswers: boolean;
}

/**
 * One rank's part of a network that answers rows: reads them, standardized and transposed, runs
 * the network forward, and writes the answers it has. Every number of rows and of ghosts in use has a
 * plan of its own on the same memory, so a batch costs what its rows and ghosts cost; after the first
 * batch of a size nothing is allocated. Plans of all sizes take a bounded room: the oldest are dropped.
 */
export class NetworkRunner {
  readonly #network: FeedForward;
  readonly #engine: Engine;
  readonly #communicator: Communicator;
  readonly #memory: ForwardMemory;
  readonly #x: Tensor;
  readonly #gathered: Float32Array | null;
  /** By rows and ghosts, the oldest first. */
  readonly #plans = new Map<number, Plan>();
  readonly #mostProducts: number;
  #products = 0;
  /** Rows 0, 1, 2, … */
  readonly #rows: Float64Array;
  /** The features that this rank reads of a row. */
  readonly #gather: Omit<GatherSource, 'values'>;
  /** Rows of the input that it holds, with zeros that fill up its blocks. */
  readonly #held: number;
  /** Answers of a row, and those that this rank writes. */
  readonly #outputs: number;
  readonly #firstOutput: number;
  readonly #ownOutputs: number;
  readonly #transform: OutputTransform | null;

  constructor(
    network: FeedForward,
    parts: { readonly engine: Engine; readonly communicator: Communicator },
    options: RunnerOptions,
  ) {
    const { standardization, outputTransform, maxBatch, gather } = options;
    const { specification, layout } = network;
    const [entering, leaving] = [inputEdge(specification), outputEdge(specification)];
    const { first, count: read, held } = edgeRows(entering, layout);
    const answers = edgeRows(leaving, layout);
    const isGathered = gather && leaving.spread === 'sharded';
    this.#network = network;
    this.#mostProducts = options.mostProducts ?? MOST_PRODUCTS;
    this.#engine = parts.engine;
    this.#communicator = parts.communicator;
    this.#memory = new ForwardMemory(parts.engine);
    this.#outputs = leaving.width;
    this.#held = held;
    this.#firstOutput = isGathered ? 0 : answers.first;
    this.#ownOutputs = isGathered ? leaving.width : answers.count;
    this.#x = parts.engine.allocate([held, maxBatch]);
    this.#gathered = isGathered ? new Float32Array(leaving.padded * maxBatch) : null;
    this.#rows = Float64Array.from({ length: maxBatch }, (_, row) => row);
    const { shift, factor } = affine(null, read);
    this.#gather = { width: entering.width, first, affine: { shift, factor } };
    this.#transform = outputTransform;
    if (standardization === null) return;
    for (let f = 0; f < read; f++) {
      shift[f] = standardization.mean[first + f] ?? 0;
      factor[f] = 1 / (standardization.scale[first + f] ?? 1);
    }
  }

  /** Plans that are kept. */
  get plans(): number {
    return this.#plans.size;
  }

  run({ rows, ghosts, x, y, writesAnswers }: RunnerBatch): void {
    const plan = this.#planOf(rows, ghosts);
    const places = this.#rows.subarray(0, rows);
    writeFromHost(this.#engine, plan.x.value, (target) => {
      gatherColumns({ ...this.#gather, values: x }, places, target);
      // What a batch of more rows left there.
      target.fill(0, this.#gather.affine.shift.length * rows);
    });
    if (ghosts > 0) this.#network.useGhosts(ghosts);
    plan.pass.begin();
    const { value } = this.#network.forward(plan.pass, plan.x);
    if (plan.gathered !== null) {
      this.#communicator.allGather(this.#engine.toHost(value), plan.gathered);
    }
    if (!writesAnswers) {
      // No rank runs ahead of the requests.
      this.#engine.synchronize();
      return;
    }
    const [width, first, count] = [this.#outputs, this.#firstOutput, this.#ownOutputs];
    const answers = (plan.gathered ?? this.#engine.toHost(value)).subarray(0, count * rows);
    const columns: Columns = { matrix: y, rows, width, first, count };
    writeRows(answers, columns);
    if (this.#transform) transform(columns, this.#transform);
  }

  #planOf(rows: number, ghosts: number): Plan {
    const key = ghosts * (this.#rows.length + 1) + rows;
    const found = this.#plans.get(key);
    if (found !== undefined) return found;
    const products = this.#productsOf(ghosts);
    for (const [oldest, plan] of this.#plans) {
      if (this.#products + products <= this.#mostProducts) break;
      this.#plans.delete(oldest);
      this.#products -= plan.products;
    }
    const maxRows = this.#rows.length;
    const x = tensorPart(this.#x, 0, [this.#held, rows]);
    const plan: Plan = {
      pass: new ForwardPass(this.#engine, this.#communicator, this.#memory),
      x: new Variable(x, false),
      gathered: this.#gathered?.subarray(0, (this.#gathered.length / maxRows) * rows) ?? null,
      products,
    };
    this.#plans.set(key, plan);
    this.#products += products;
    return plan;
  }

  /** A layer that uses fewer ghosts than it has multiplies those of each block by themselves. */
  #productsOf(ghosts: number): number {
    const { specification, layout } = this.#network;
    const isPart = ghosts > 0 && ghosts < specification.ghosts;
    const each = isPart ? specification.blocks - 1 : 2;
    const layers = specification.residual ? 2 * specification.depth : specification.depth;
    return layers * (OTHER_PRODUCTS + layout.blocksHere * each);
  }
}

/** Columns `first …` of a matrix [rows, width]. */
interface Columns {
  readonly matrix: Float32Array;
  readonly rows: number;
  readonly width: number;
  readonly first: number;
  readonly count: number;
}

/** Makes answers of the outputs in columns, in place. */
function transform(
  { matrix: y, rows, width, first, count }: Columns,
  { curve, mean, scale }: OutputTransform,
): void {
  for (let row = 0; row < rows; row++) {
    for (let c = first; c < first + count; c++) {
      const at = row * width + c;
      y[at] = curveOf(curve, y[at] as number) * (scale?.[c] ?? 1) + (mean?.[c] ?? 0);
    }
  }
}

/** Transposes [count, rows] into columns. */
function writeRows(from: Float32Array, { matrix: to, rows, width, first, count }: Columns): void {
  for (let start = 0; start < count; start += TILE) {
    const end = Math.min(start + TILE, count);
    for (let row = 0; row < rows; row++) {
      const at = row * width + first;
      for (let f = start; f < end; f++) to[at + f] = from[f * rows + row] as number;
    }
  }
}
