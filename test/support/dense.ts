import { type SafetensorsTensor, writeSafetensors } from '#src/data/safetensors.js';
import { randomStream } from '#src/tensor/random.js';
import type { Tensors } from '../reference/layers.js';

/** Random numbers in [-bound, bound). */
export function randomNumbers(name: string, count: number, bound = 1): Float32Array {
  const values = new Float32Array(count);
  randomStream(11, name).fillUniform(values, 0, -bound, bound);
  return values;
}

/** The weights of an nn.Sequential of Linears of these widths and an activation between them. */
export function sequential(
  widths: readonly number[],
  { prefix = '', bias = true } = {},
): SafetensorsTensor[] {
  return widths.slice(1).flatMap((rows, i) => {
    const columns = widths[i];
    const name = `${prefix}${2 * i}`;
    const weight = randomNumbers(`${i}`, rows * columns, Math.sqrt(6 / columns));
    const tensor = (what: string, shape: number[], data: Float32Array): SafetensorsTensor => ({
      ...({ name: `${name}.${what}`, dtype: 'F32', shape, data } as const),
    });
    return [
      tensor('weight', [rows, columns], weight),
      ...(bias ? [tensor('bias', [rows], randomNumbers(`${i} bias`, rows))] : []),
    ];
  });
}

/** Writes them to a file, and returns them by name. */
export function writeSequential(file: string, tensors: readonly SafetensorsTensor[]): Tensors {
  writeSafetensors(file, tensors);
  return new Map(
    tensors.map(({ name, shape, data }) => [
      name,
      { shape: [...shape], values: Float64Array.from(data as Float32Array) },
    ]),
  );
}

/** The matrix that a hidden layer in phantom form is, in float64. */
export function densified(tensors: Tensors, layer: number, width: number, blocks: number) {
  const M = width / blocks;
  const part = (what: string, j: number) => {
    const found = tensors.get(`layers.${layer}.${what}.${j}`);
    if (!found) throw new TypeError(`no ${what} of block ${j}`);
    return found.values;
  };
  const K = part('compressor', 0).length / M;
  const whole = new Float64Array(width * width);
  for (let row = 0; row < width; row++) {
    for (let column = 0; column < width; column++) {
      const [j, i] = [Math.floor(row / M), Math.floor(column / M)];
      const [r, c] = [row % M, column % M];
      const at = r * (blocks - 1) * K + (i < j ? i : i - 1) * K;
      let value = i === j ? part('local', j)[r * M + c] : 0;
      for (let k = 0; k < (i === j ? 0 : K); k++) {
        value += part('decompressor', j)[at + k] * part('compressor', i)[k * M + c];
      }
      whole[row * width + column] = value;
    }
  }
  return whole;
}
