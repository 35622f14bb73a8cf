/** The matrices that the layers of a checkpoint are, and their gradients, in float64. */
import {
  beside,
  columnsOf,
  type Dense,
  dense,
  multiply,
  plus,
  rowsOf,
  rowSums,
  stack,
  transpose,
  withoutRows,
  zeros,
} from './matrix.js';

export type Tensors = Map<string, { shape: readonly number[]; values: Float64Array }>;

function tensor(tensors: Tensors, name: string): Dense {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`no tensor ${name}; have ${[...tensors.keys()].join()}`);
  return dense(found.shape[0], found.shape[1] ?? 1, found.values);
}

/** The tensors of all blocks that have one of this name. */
export function shardsOf(tensors: Tensors, name: string, blocks: number): Dense[] {
  return Array.from({ length: blocks }, (_, j) => tensor(tensors, `${name}.${j}`));
}

/** The dense matrix that a layer is: whole, `weight` shards put together, or the phantom's. */
export function denseMatrix(tensors: Tensors, layer: string, blocks: number): Dense {
  if (tensors.has(`${layer}.weight`)) return tensor(tensors, `${layer}.weight`);
  if (!tensors.has(`${layer}.local.0`)) {
    const shards = shardsOf(tensors, `${layer}.weight`, blocks);
    return isSplitByColumns(tensors, layer, blocks) ? beside(shards) : stack(shards);
  }
  const locals = shardsOf(tensors, `${layer}.local`, blocks);
  const compressors = shardsOf(tensors, `${layer}.compressor`, blocks);
  const decompressors = shardsOf(tensors, `${layer}.decompressor`, blocks);
  const K = compressors[0].rows;
  return stack(
    decompressors.map((D, j) =>
      beside(
        compressors.map((C, i) => {
          if (i === j) return locals[j];
          const position = i < j ? i : i - 1;
          return multiply(columnsOf(D, position * K, K), C);
        }),
      ),
    ),
  );
}

/** Shards of a row-parallel layer have all rows of the output. */
function isSplitByColumns(tensors: Tensors, layer: string, blocks: number): boolean {
  const rows = stack(shardsOf(tensors, `${layer}.bias`, blocks)).rows;
  return blocks > 1 && tensor(tensors, `${layer}.weight.0`).rows === rows;
}

export function biasOf(tensors: Tensors, layer: string, blocks: number): Dense {
  const whole = tensors.has(`${layer}.bias`);
  const name = `${layer}.bias`;
  return whole ? tensor(tensors, name) : stack(shardsOf(tensors, name, blocks));
}

/** With rows of zeros below. */
export function padded(m: Dense, rows: number): Dense {
  return stack([m, zeros(rows - m.rows, m.columns)]);
}

export function layerGradients(
  { blocks: P }: { readonly blocks: number },
  tensors: Tensors,
  name: string,
  x: Dense,
  dz: Dense,
  gradients: Map<string, Float64Array>,
): void {
  if (tensors.has(`${name}.weight`)) {
    gradients.set(`${name}.weight`, multiply(dz, transpose(x)).data);
    gradients.set(`${name}.bias`, rowSums(dz));
    return;
  }
  const n = dz.rows / P;
  for (let j = 0; j < P; j++) gradients.set(`${name}.bias.${j}`, rowSums(rowsOf(dz, j * n, n)));
  if (tensors.has(`${name}.local.0`)) {
    phantomGradients(tensors, name, P, x, dz, gradients);
    return;
  }
  const dW = multiply(dz, transpose(x));
  const m = x.rows / P;
  for (let j = 0; j < P; j++) {
    const part = isSplitByColumns(tensors, name, P)
      ? columnsOf(dW, j * m, m)
      : rowsOf(dW, j * n, n);
    gradients.set(`${name}.weight.${j}`, part.data);
  }
}

/** The paper's equations, block by block. */
function phantomGradients(
  tensors: Tensors,
  name: string,
  P: number,
  x: Dense,
  dz: Dense,
  gradients: Map<string, Float64Array>,
): void {
  const part = (whole: Dense, j: number) => rowsOf(whole, (j * whole.rows) / P, whole.rows / P);
  const C = (j: number) => tensor(tensors, `${name}.compressor.${j}`);
  const D = (j: number) => tensor(tensors, `${name}.decompressor.${j}`);
  const K = C(0).rows;
  const ghosts = stack(Array.from({ length: P }, (_, j) => multiply(C(j), part(x, j))));
  let h = zeros(P * K, x.columns);
  for (let j = 0; j < P; j++) {
    const sent = multiply(transpose(D(j)), part(dz, j));
    const own = zeros(K, x.columns);
    const rest = (P - 1 - j) * K;
    h = plus(h, stack([rowsOf(sent, 0, j * K), own, rowsOf(sent, j * K, rest)]));
  }
  for (let j = 0; j < P; j++) {
    const others = withoutRows(ghosts, j * K, K);
    const set = (what: string, gradient: Dense) =>
      gradients.set(`${name}.${what}.${j}`, gradient.data);
    set('local', multiply(part(dz, j), transpose(part(x, j))));
    set('decompressor', multiply(part(dz, j), transpose(others)));
    set('compressor', multiply(rowsOf(h, j * K, K), transpose(part(x, j))));
  }
}
