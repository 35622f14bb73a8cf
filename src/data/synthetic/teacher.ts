import { type RandomStream, randomStream } from '../../tensor/random.js';
import type { TeacherDataset } from '../dataset.js';
import { formatTeacherName, type TeacherActivation, type TeacherSpec } from './teacher-spec.js';

/**
 * The rows of a dense network without biases: x ~ N(0, 1), y = teacher(x) + noise · N(0, 1).
 *
 * Weights are Gaussian with variance 1 / (inputs · E[φ(z)²]) for z ~ N(0, 1) and φ the activation
 * before them, so that every layer's outputs keep a variance of about 1 at any depth. The training
 * part does not end; the validation part has `spec.validation` rows from streams of its own.
 */
export function teacherParts(spec: TeacherSpec): {
  training: TeacherDataset;
  validation: TeacherDataset | null;
} {
  const features = spec.widths[0] as number;
  const outputs = spec.widths.at(-1) as number;
  const answers =
    spec.labels === 'argmax'
      ? ({ kind: 'labels', classes: outputs } as const)
      : ({ kind: 'values', width: outputs } as const);
  const name = formatTeacherName(spec);
  const common = { kind: 'teacher', name, features, imageLike: false, spec, answers } as const;
  const training: TeacherDataset = { ...common, part: 'training', rows: Infinity };
  if (spec.validation === 0) return { training, validation: null };
  return { training, validation: { ...common, part: 'validation', rows: spec.validation } };
}

/** Computes rows of one part, a batch at a time. */
export class Teacher {
  private readonly spec: TeacherSpec;
  private readonly layers: readonly Float32Array[];
  private readonly inputs: RandomStream;
  private readonly noise: RandomStream;
  private readonly noiseRow: Float32Array;
  private readonly row: Float32Array;
  private activations: [Float32Array, Float32Array] = [new Float32Array(), new Float32Array()];
  private sums = new Float64Array();

  constructor(dataset: TeacherDataset) {
    const { spec, part } = dataset;
    this.spec = spec;
    this.layers = spec.widths.slice(1).map((outputs, l) => drawWeights(spec, l, outputs));
    this.inputs = randomStream(spec.seed, `teacher.${part}.x`);
    this.noise = randomStream(spec.seed, `teacher.${part}.noise`);
    this.row = new Float32Array(dataset.features);
    this.noiseRow = new Float32Array(spec.widths.at(-1) as number);
  }

  /**
   * Writes the rows with the given indices as columns.
   *
   * @param x_FB [features, rows.length]
   * @returns y [answers, rows.length], valid until the next call.
   */
  compute(rows: Float64Array, x_FB: Float32Array): Float32Array {
    const columns = rows.length;
    this.reserve(columns);
    const features = this.row.length;
    for (let column = 0; column < columns; column++) {
      this.inputs.fillNormal(this.row, (rows[column] as number) * features);
      for (let f = 0; f < features; f++) x_FB[f * columns + column] = this.row[f] as number;
    }
    let from = x_FB;
    this.layers.forEach((weights, l) => {
      const into = this.activations[l % 2] as Float32Array;
      const outputs = this.spec.widths[l + 1] as number;
      multiply(weights, from, into.subarray(0, outputs * columns), this.sums);
      if (l < this.layers.length - 1) activate(this.spec.activation, into, outputs * columns);
      from = into;
    });
    if (this.spec.noise > 0) this.addNoise(rows, from);
    return from;
  }

  private addNoise(rows: Float64Array, y: Float32Array): void {
    const columns = rows.length;
    const outputs = this.noiseRow.length;
    for (let column = 0; column < columns; column++) {
      this.noise.fillNormal(this.noiseRow, (rows[column] as number) * outputs);
      for (let o = 0; o < outputs; o++) {
        const at = o * columns + column;
        y[at] = (y[at] as number) + this.spec.noise * (this.noiseRow[o] as number);
      }
    }
  }

  private reserve(columns: number): void {
    if (this.sums.length === columns) return;
    const size = columns * Math.max(...this.spec.widths.slice(1));
    this.sums = new Float64Array(columns);
    this.activations = [new Float32Array(size), new Float32Array(size)];
  }
}

/** E[φ(z)²] for z ~ N(0, 1), by the trapezoidal rule. */
export function secondMoment(activation: TeacherActivation): number {
  const step = 1 / 256;
  let sum = 0;
  for (let z = -10; z <= 10; z += step) {
    const out = apply(activation, z);
    sum += out * out * Math.exp((-z * z) / 2);
  }
  return (sum * step) / Math.sqrt(2 * Math.PI);
}

/** [outputs, inputs] */
function drawWeights(spec: TeacherSpec, l: number, outputs: number): Float32Array {
  const inputs = spec.widths[l] as number;
  const moment = l === 0 ? 1 : secondMoment(spec.activation);
  const deviation = 1 / Math.sqrt(inputs * moment);
  const weights = new Float32Array(outputs * inputs);
  randomStream(spec.seed, `teacher.layers.${l}.weight`).fillNormal(weights, 0);
  for (let i = 0; i < weights.length; i++) weights[i] = (weights[i] as number) * deviation;
  return weights;
}

/** out = W x, where W is [outputs, inputs] and `sums` has a place for each column: its sums run over the inputs in order, whatever the batch is. */
function multiply(
  weights: Float32Array,
  x: Float32Array,
  out: Float32Array,
  sums: Float64Array,
): void {
  const columns = sums.length;
  const outputs = out.length / columns;
  const inputs = weights.length / outputs;
  for (let o = 0; o < outputs; o++) {
    sums.fill(0);
    let i = 0;
    // Four inputs a pass: the running sums are loaded and stored a quarter as often.
    for (; i + 3 < inputs; i += 4) {
      const w = o * inputs + i;
      const w0 = weights[w] as number;
      const w1 = weights[w + 1] as number;
      const w2 = weights[w + 2] as number;
      const w3 = weights[w + 3] as number;
      const at = i * columns;
      for (let c = 0; c < columns; c++) {
        const a = at + c;
        sums[c] =
          (sums[c] as number) +
          w0 * (x[a] as number) +
          w1 * (x[a + columns] as number) +
          w2 * (x[a + 2 * columns] as number) +
          w3 * (x[a + 3 * columns] as number);
      }
    }
    for (; i < inputs; i++) {
      const weight = weights[o * inputs + i] as number;
      for (let c = 0; c < columns; c++) {
        sums[c] = (sums[c] as number) + weight * (x[i * columns + c] as number);
      }
    }
    out.set(sums, o * columns);
  }
}

function activate(activation: TeacherActivation, values: Float32Array, count: number): void {
  for (let i = 0; i < count; i++) values[i] = apply(activation, values[i] as number);
}

function apply(activation: TeacherActivation, z: number): number {
  if (activation === 'relu') return z > 0 ? z : 0;
  if (activation === 'silu') return z / (1 + Math.exp(-z));
  return activation === 'tanh' ? Math.tanh(z) : z;
}
