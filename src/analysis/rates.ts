import { type Dtype, elementBytes } from '../tensor/tensor.js';
import { isOfClasses, LOSSES } from '../layers/loss-names.js';
import { OPTIMIZER_NAMES, optimizerStatesPerParameter } from '../optimizers/optimizer-list.js';
import { bestCollective, type Topology } from './collectives.js';
import { collectiveSeconds, productSeconds, sizeSeconds } from './interpolate.js';
import type {
  Link,
  Machine,
  MeasuredCollectives,
  MeasuredCompute,
  MeasuredTimes,
  PeakCompute,
  ProductFormat,
} from '../machine/machine.js';
import type { ElementPass, PassKernel, Product, Start } from '../layers/operations.js';

/** What a collective asks of a rank, and how long it is under way beside it. */
export interface CollectiveEstimate {
  readonly startS: number;
  readonly transferS: number;
  readonly finishS: number;
  readonly messages: number;
}

/** How long the operations of a step take on a machine. */
export interface Rates {
  /** Seconds of a matrix product. */
  productS(product: Product): number;
  /** Seconds of a pass over elements. */
  passS(pass: ElementPass): number;
  /** Null: the machine file does not tell. */
  collective(start: Start): CollectiveEstimate | null;
  readonly perOperationS: number;
  /** What the times rest on, a sentence each. */
  readonly notes: readonly string[];
}

/** Bytes that a kernel reads and writes of an element, where products take float32 or bfloat16. */
export function passBytes(kernel: PassKernel, dtype: Dtype = 'float32'): number {
  const isHalf = dtype === 'bfloat16';
  // z, the output and two gradients; a bfloat16 output is computed again instead.
  if (kernel.startsWith('activation gradient')) return isHalf ? 10 : 16;
  if (kernel.startsWith('activation')) return isHalf ? 10 : 12;
  const bytes: Record<string, number> = {
    add: 12,
    fill: 4,
    'encode bfloat16': 6,
    'decode bfloat16': 6,
    'encode int8': 5,
    'decode int8': 5,
    copy: 8,
    dropout: 8,
    multiply: 12,
    ...Object.fromEntries(LOSSES.map((loss) => [loss, isOfClasses(loss) ? 8 : 12])),
    axpy: 12,
    'column dots': 8,
    'scale columns': 8,
    'add scaled columns': 12,
    'inverse rms': 4,
    'rms correction': 12,
  };
  return bytes[kernel] ?? updateBytes(kernel) + (isHalf ? 2 : 0);
}

/** Weights and states are read and written, the gradient is read; a copy in bfloat16 comes on top. */
function updateBytes(kernel: string): number {
  const optimizer = OPTIMIZER_NAMES.find((name) => name === kernel);
  return optimizer === undefined ? Number.NaN : 12 + 8 * optimizerStatesPerParameter(optimizer);
}

/**
 * Rates of a machine that `ranks` ranks see: seconds of each kernel, product and collective.
 *
 * @param transport which of a machine's measured transports carries the ranks' collectives
 * @param format of the operands of products; where the machine has no figures of it, those of float32
 * stand in, and a note says so
 */
export function ratesOf(
  machine: Machine,
  ranks: number,
  transport = 'threads',
  format: ProductFormat = 'float32',
): Rates {
  const { compute } = machine;
  // A machine without a network between nodes is one node, and all ranks are on it.
  const { ranksPerNode, betweenNodes } = machine;
  const here = betweenNodes === null ? ranks : Math.min(ranks, ranksPerNode.value);
  const communication = communicationRates(machine, ranks, transport);
  const work =
    compute.kind === 'peak' ? peakRates(compute, format) : measuredRates(compute, here, format);
  return {
    ...work,
    collective: communication.collective,
    // Some are found when times are asked for.
    get notes() {
      return [...work.notes, ...communication.notes];
    },
  };
}

type WorkRates = Omit<Rates, 'collective'>;

/** No faster than the peak, nor than the operands come from memory. */
function peakRates(compute: PeakCompute, format: ProductFormat): WorkRates {
  const { flopsPerS, tf32FlopsPerS, bfloat16FlopsPerS, memoryBytesPerS } = compute;
  const peak = { float32: flopsPerS, tf32: tf32FlopsPerS, bfloat16: bfloat16FlopsPerS }[format];
  const dtype = peak === undefined || format === 'tf32' ? 'float32' : format;
  return {
    productS({ rows, columns, inner }) {
      const operands = elementBytes(dtype) * (rows * inner + inner * columns);
      return Math.max(
        (2 * rows * columns * inner) / (peak ?? flopsPerS).value,
        (operands + 4 * rows * columns) / memoryBytesPerS.value,
      );
    },
    passS: ({ kernel, elements }) => (passBytes(kernel, dtype) * elements) / memoryBytesPerS.value,
    perOperationS: 0,
    notes: [
      'products run at the peak of the data sheet or at the speed of memory, whichever is slower, ' +
        'and launching a kernel takes no time: compute times are lower bounds',
      ...(peak === undefined ? [noFigures(format, 'its data sheet gives no peak of theirs')] : []),
    ],
  };
}

function noFigures(format: ProductFormat, reason: string): string {
  const what = format === 'tf32' ? 'products in tf32' : `products and passes in ${format}`;
  return `${what} are timed as float32 ones: ${reason}`;
}

/** The times to take; null: the machine file has none of this format. */
function timesIn(compute: MeasuredCompute, format: ProductFormat): MeasuredTimes | null {
  if (format === 'float32') return compute;
  const { bfloat16 } = compute;
  if (format === 'tf32' || bfloat16 === undefined) return null;
  return { ...bfloat16, passes: { ...compute.passes, ...bfloat16.passes } };
}

function measuredRates(measured: MeasuredCompute, here: number, format: ProductFormat): WorkRates {
  const own = timesIn(measured, format);
  const compute = own ?? measured;
  const turns = Math.max(1, here / compute.ranks);
  const { factor, perOperationS } = compute.inStep;
  const scale = turns * factor;
  const notes = [`kernels as measured by ${compute.source}`];
  if (own === null) {
    const how = format === 'bfloat16' ? '; calibrate --compute bfloat16 adds them' : '';
    notes.push(noFigures(format, `the machine file has none of theirs${how}`));
  }
  const missing = new Set<string>();
  if (turns > 1) {
    notes.push(
      `${here} ranks share what ${compute.ranks} were measured on: work takes ${turns} times as long`,
    );
  }
  return {
    productS({ transposeA, transposeB, rows, columns, inner }) {
      const { products } = compute;
      if (transposeB) return scale * productSeconds(products, 'NT', [rows, columns, inner]);
      const form = transposeA ? 'TN' : 'NN';
      return scale * productSeconds(products, form, [rows, inner, columns]);
    },
    passS({ kernel, elements }) {
      const times = compute.passes[kernel];
      if (times !== undefined) return scale * sizeSeconds(times, elements);
      missing.add(kernel);
      const known = compute.passes['add'];
      if (known === undefined) throw new RangeError('the machine file has no times for add');
      return (scale * sizeSeconds(known, elements) * passBytes(kernel)) / passBytes('add');
    },
    perOperationS: turns * perOperationS,
    get notes() {
      if (missing.size === 0) return notes;
      const kernels = [...missing].join(', ');
      return [
        ...notes,
        `the machine file has no times for ${kernels}: estimated by their bytes from those of add; ` +
          'calibrate again',
      ];
    },
  };
}

interface Communication {
  readonly collective: Rates['collective'];
  readonly notes: readonly string[];
}

function communicationRates(machine: Machine, ranks: number, transport: string): Communication {
  const measured = machine.collectives
    .filter((one) => one.transport === transport)
    .toSorted((a, b) => b.ranks - a.ranks);
  const same = measured.find((one) => one.ranks === ranks);
  if (same) return measuredCollectives(same, []);
  const most = measured[0];
  if (most && ranks <= machine.ranksPerNode.value) return measuredCollectives(most, []);
  const { withinNode, betweenNodes, ranksPerNode } = machine;
  const near = withinNode ?? (ranksPerNode.value === 1 ? betweenNodes : null);
  const far = ranks <= ranksPerNode.value ? near : betweenNodes;
  if (near && far) return linkCollectives(near, far, ranksPerNode.value, ranks);
  if (most) {
    return measuredCollectives(most, [
      `collectives of ${ranks} ranks are estimated by those of ${most.ranks}, the most that were measured`,
    ]);
  }
  const what = ranks <= ranksPerNode.value ? 'links within a node' : 'links between nodes';
  return {
    collective: () => null,
    notes: [`${machine.name} has no ${what}: communication times are unknown`],
  };
}

function measuredCollectives(measured: MeasuredCollectives, notes: string[]): Communication {
  const tables = {
    'all-to-all': measured.allToAll,
    'all-gather': measured.allGather,
    'reduce-scatter': measured.reduceScatter,
    'all-reduce': measured.allReduce,
  };
  return {
    collective: ({ collective, wholeBytes }) => ({
      ...collectiveSeconds(tables[collective], wholeBytes),
      messages: 1,
    }),
    notes: [`collectives of ${measured.ranks} ranks as measured by ${measured.source}`, ...notes],
  };
}

function linkCollectives(near: Link, far: Link, perNode: number, ranks: number): Communication {
  const topology: Topology = { perNode, within: alphaBeta(near), between: alphaBeta(far) };
  const silent = [near, ...(ranks > perNode ? [far] : [])].some((link) => link.latencyS === null);
  return {
    collective({ collective, wholeBytes }) {
      const { seconds, messages } = bestCollective({ collective, ranks, wholeBytes }, topology);
      return { startS: 0, transferS: seconds, finishS: 0, messages };
    },
    notes: [
      'collectives by the α-β model, the fastest of ring, recursive and hierarchical; they are ' +
        'assumed to use no core or device of a rank',
      ...(silent
        ? [
            'the machine file has no link latency: messages cost only their bytes, so ' +
              'communication times are lower bounds',
          ]
        : []),
    ],
  };
}

function alphaBeta({ latencyS, bytesPerS }: Link) {
  return { latencyS: latencyS?.value ?? 0, secondsPerByte: 1 / bytesPerS.value };
}
