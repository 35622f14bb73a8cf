import type { Dtype } from '../tensor/tensor.js';

/** A number and where it comes from: a calibration, a data sheet, a paper. */
export interface Sourced {
  readonly value: number;
  readonly source: string;
}

/** Constants that turn times and bytes of ranks into joules; null: no source, so no energy. */
export interface PowerModel {
  /** Watts of one rank's core or device while it computes. */
  readonly busyW: Sourced | null;
  /** Watts of one rank's core or device while it waits for others. */
  readonly waitingW: Sourced | null;
  /** Watts of the rest of the machine, shared out to each rank: memory, board, fans. */
  readonly sharedW: Sourced | null;
  /** Joules of moving a byte between ranks. */
  readonly energyPerByteJ: Sourced | null;
}

/** What carries bytes between two ranks: a message of n bytes takes latency + n / bandwidth. */
export interface Link {
  /** Null: no source, so that messages count by their bytes alone. */
  readonly latencyS: Sourced | null;
  /** Of one rank, in one direction. */
  readonly bytesPerS: Sourced;
}

/** Formats of the operands of products: as tensors hold them, or float32 that a device rounds to TF32. */
export type ProductFormat = Dtype | 'tf32';

/** Matrix products at the peak of a data sheet: times are lower bounds. */
export interface PeakCompute {
  readonly kind: 'peak';
  /** Of float32 matrix products, or what stands in for them; the source says which. */
  readonly flopsPerS: Sourced;
  /** Of products in other formats; absent: unknown, or the device has none. */
  readonly tf32FlopsPerS?: Sourced | undefined;
  readonly bfloat16FlopsPerS?: Sourced | undefined;
  readonly memoryBytesPerS: Sourced;
}

/** The three forms of a step's products: plain, transposed right and transposed left operand. */
export const PRODUCT_FORMS = ['NN', 'NT', 'TN'] as const;
/** Which operands of a matrix product are transposed, first and second: N as stored, T transposed. */
export type ProductForm = (typeof PRODUCT_FORMS)[number];

/** Times that were measured on all of a machine's cores at once, in one format of products. */
export interface MeasuredTimes {
  readonly engine: string;
  readonly source: string;
  /** Ranks that measured at once, one a core. */
  readonly ranks: number;
  readonly products: ProductTable;
  /** Passes over memory by kernel. */
  readonly passes: Readonly<Record<string, readonly SizeTime[]>>;
  /** What work takes in a step more than alone: times so much, and seconds an operation. */
  readonly inStep: { readonly factor: number; readonly perOperationS: number };
}

/** The times of this machine in float32, and beside them those in bfloat16 where they were measured:
 * products of bfloat16 operands, and the passes that write or read them. */
export interface MeasuredCompute extends MeasuredTimes {
  readonly kind: 'measured';
  readonly bfloat16?: MeasuredTimes | undefined;
}

/**
 * Seconds of products by form and size. The weights of a product are the matrix without a batch
 * dimension: [first, second] are its two sizes as the product has them, and `batch` the third.
 *
 * | form | rows | columns | inner |
 * |---|---|---|---|
 * | NN | first | batch | second |
 * | NT | first | second | batch |
 * | TN | first | batch | second |
 */
export interface ProductTable {
  readonly first: readonly number[];
  readonly second: readonly number[];
  readonly batch: readonly number[];
  /** Of each form, [first][second][batch] in one row, with weights that no cache holds. */
  readonly seconds: Readonly<Record<ProductForm, readonly number[]>>;
}

/** What a call takes at one size: elements, or bytes. */
export interface SizeTime {
  readonly size: number;
  readonly seconds: number;
}

/** A collective's time at one size of its larger buffer. */
export interface CollectiveTime {
  readonly bytes: number;
  /** The rank's own work when it starts the collective: copies. */
  readonly startS: number;
  /** What goes on beside the rank's own work, or is waited for. */
  readonly transferS: number;
  /** The rank's own work when it takes the result: copies and sums. */
  readonly finishS: number;
}

/** Collectives of one transport between so many ranks, as measured. */
export interface MeasuredCollectives {
  readonly transport: string;
  readonly ranks: number;
  readonly source: string;
  readonly allGather: readonly CollectiveTime[];
  readonly allToAll: readonly CollectiveTime[];
  readonly reduceScatter: readonly CollectiveTime[];
  readonly allReduce: readonly CollectiveTime[];
}

/** Hardware as data: what a plan is made for. A rank is a device, or a core. */
export interface Machine {
  readonly name: string;
  readonly description: string;
  /** Devices or cores of a node. */
  readonly ranksPerNode: Sourced;
  /** Memory that one rank has to itself; null: unknown. */
  readonly rankMemoryBytes: Sourced | null;
  readonly compute: PeakCompute | MeasuredCompute;
  readonly collectives: readonly MeasuredCollectives[];
  /** Between ranks of a node, and between nodes; null: unknown, or there is one node. */
  readonly withinNode: Link | null;
  readonly betweenNodes: Link | null;
  readonly power: PowerModel;
}
