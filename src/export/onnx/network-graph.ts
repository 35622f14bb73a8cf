import { type Activation, describeActivation } from '../../engines/activations.js';
import { describeOutputs, type OutputTransform, outputTransform } from '../../models/outputs.js';
import type { Standardization } from '../../data/standardize.js';
import { ghostsText } from '../../base/format.js';
import { inputEdge, outputEdge } from '../../model/edges.js';
import { type NetworkLayer, networkLayers } from '../../model/network-layers.js';
import { inputWidth, outputWidth } from '../../model/specification.js';
import type { ModelSource } from '../../models/model-source.js';
import type { WeightFiles } from '../../models/weight-files.js';
import type { OnnxGraph, OnnxNode, OnnxTensor } from './messages.js';

/**
 * A phantom network as an ONNX graph in phantom form: `x` [batch, features] → `y` [batch, outputs],
 * before any softmax. Activations are P tensors [batch, M]. Of each layer, with everything
 * row-major and one sample a row:
 *
 *     g_j = φ(Gemm(x_j, C_jᵀ))              [batch, K], φ where ghosts have a function
 *     G_{≠j} = Concat(g_i, i ≠ j)            [batch, (P−1)·K]
 *     z_j = Gemm(x_j, L_jᵀ, b_j) + Gemm(G_{≠j}, D_jᵀ)
 *
 * Before the layers that are normalized, x_j is divided by the root mean square of all blocks' columns.
 * A standardization is the graph's first two nodes.
 */
export function phantomGraph(source: ModelSource, files: WeightFiles): OnnxGraph {
  return new PhantomGraph(source, files).build();
}

class PhantomGraph {
  readonly #source: ModelSource;
  readonly #files: WeightFiles;
  readonly #builder = new GraphBuilder();

  constructor(source: ModelSource, files: WeightFiles) {
    this.#source = source;
    this.#files = files;
  }

  build(): OnnxGraph {
    const { specification, standardization, loss } = this.#source;
    const builder = this.#builder;
    const [entering, leaving] = [inputEdge(specification), outputEdge(specification)];
    let x = builder.standardize('x', standardization);
    x = builder.pad(x, entering.padded - entering.width);
    let blocks = entering.spread === 'sharded' ? this.#split(x) : [];
    let entered = blocks;
    for (const layer of networkLayers(specification)) {
      if (layer.opensBlock) entered = blocks;
      const isNormed = layer.opensBlock || layer.role === 'head';
      if (isNormed && specification.residual?.norm === 'rms') {
        blocks = this.#normalize(layer, blocks);
      }
      if (layer.kind.name === 'phantom') {
        blocks = this.#phantom(layer, blocks);
        if (layer.closesBlock) blocks = this.#add(layer.name, entered, blocks);
        continue;
      }
      // Of whole matrices are an input layer before the blocks, and a head that joins them.
      const { name, inputs, outputs, activation } = layer;
      if (layer.role === 'head') x = this.#join(blocks);
      const weight = this.#tensor(`${name}.weight`, [outputs, inputs]);
      x = builder.gemm(`${name}.z`, x, weight, this.#tensor(`${name}.bias`, [outputs]));
      x = builder.activate(name, activation ?? 'identity', x);
      if (layer.role === 'input') blocks = this.#split(x);
    }
    const y =
      leaving.spread === 'sharded'
        ? builder.firstColumns(this.#join(blocks), leaving.width, leaving.padded)
        : x;
    builder.node('Identity', [builder.transform(y, outputTransform(this.#source))], 'y');
    return {
      name: 'phantom',
      description: describe(this.#source, describeOutputs(loss)),
      nodes: builder.nodes,
      tensors: builder.tensors,
      inputs: [{ name: 'x', shape: ['batch', inputWidth(specification)] }],
      outputs: [{ name: 'y', shape: ['batch', outputWidth(specification)] }],
    };
  }

  #phantom(layer: NetworkLayer, x: readonly string[]): string[] {
    const { blocks: P, inputs, outputs, ghosts: K, activation, ghostActivation } = layer;
    const [m, n] = [inputs / P, outputs / P];
    const name = (what: string, block: number) => `${layer.name}.${what}.${block}`;
    const builder = this.#builder;
    const ghosts = x.map((own, j) => {
      const compressor = this.#tensor(name('compressor', j), [K, m]);
      const product = builder.gemm(name('ghosts', j), own, compressor);
      return builder.activate(name('ghosts', j), ghostActivation ?? 'identity', product);
    });
    return x.map((own, j) => {
      const others = ghosts.toSpliced(j, 1);
      const received =
        others.length === 1
          ? (others[0] as string)
          : builder.node('Concat', others, name('received', j), { axis: 1 });
      const local = builder.gemm(
        name('own', j),
        own,
        this.#tensor(name('local', j), [n, m]),
        this.#tensor(name('bias', j), [n]),
      );
      const decompressor = this.#tensor(name('decompressor', j), [n, (P - 1) * K]);
      const remote = builder.gemm(name('remote', j), received, decompressor);
      const z = builder.node('Add', [local, remote], name('z', j));
      const applied = activation ?? 'identity';
      return layer.gated
        ? builder.gate(name('gate', j), applied, z)
        : builder.activate(name('out', j), applied, z);
    });
  }

  #normalize({ name, inputs }: NetworkLayer, blocks: readonly string[]): string[] {
    const builder = this.#builder;
    const whole = builder.node('Concat', blocks, `${name}.stream`, { axis: 1 });
    const rms = builder.rootMeanSquare(name, whole, inputs);
    return blocks.map((x, j) => builder.node('Div', [x, rms], `${name}.normed.${j}`));
  }

  #add(name: string, entered: readonly string[], blocks: readonly string[]): string[] {
    return blocks.map((y, j) =>
      this.#builder.node('Add', [entered[j] as string, y], `${name}.sum.${j}`),
    );
  }

  #split(x: string): string[] {
    const { blocks } = this.#source.specification;
    return this.#builder.split(
      x,
      Array.from({ length: blocks }, (_, j) => `block.${j}`),
    );
  }

  #join(blocks: readonly string[]): string {
    return this.#builder.node('Concat', blocks, 'joined', { axis: 1 });
  }

  #tensor(name: string, shape: readonly number[]): string {
    return this.#builder.tensor({ name, shape, read: () => this.#files.read(name, shape) });
  }
}

function describe({ specification, standardization }: ModelSource, outputs: string): string {
  const { width, depth, blocks, activation } = specification;
  const input = standardization === null ? 'features' : 'features, standardized by the graph';
  return (
    `Feed-forward network in phantom form (arXiv:2508.00960): width ${width}, depth ${depth}, ` +
    `${blocks} blocks, ${ghostsText(specification)}, ${activation}. x: ${input}; y: ${outputs}.`
  );
}

/** As the kernels have it (`kernels/columns.ts`). */
const RMS_EPSILON = 1e-6;

/** Collects nodes and constants under names of their own. */
export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly tensors: OnnxTensor[] = [];

  tensor(tensor: OnnxTensor): string {
    this.tensors.push(tensor);
    return tensor.name;
  }

  node(
    operator: string,
    inputs: readonly string[],
    output: string,
    integers: Readonly<Record<string, number>> = {},
  ): string {
    this.nodes.push({ operator, inputs, outputs: [output], integers });
    return output;
  }

  /** Equal parts of the columns. */
  split<const Parts extends readonly string[]>(x: string, parts: Parts): Parts {
    // Without sizes, Split makes as many equal parts as there are outputs.
    this.nodes.push({ operator: 'Split', inputs: [x], outputs: parts, integers: { axis: 1 } });
    return parts;
  }

  /** The root mean square of each row of so many columns. */
  rootMeanSquare(name: string, x: string, columns: number): string {
    const squares = this.node('Mul', [x, x], `${name}.squares`);
    const sum = this.node('ReduceSum', [squares, this.#integers('axis', [1])], `${name}.squared`);
    const mean = this.node('Mul', [sum, this.#number(1 / columns)], `${name}.mean`);
    const shifted = this.node('Add', [mean, this.#number(RMS_EPSILON)], `${name}.shifted`);
    return this.node('Sqrt', [shifted], `${name}.rms`);
  }

  /** φ of the first half of the columns times the second. */
  gate(name: string, activation: Activation, z: string): string {
    const [a, b] = this.split(z, [`${name}.a`, `${name}.b`]);
    return this.node('Mul', [this.activate(name, activation, a), b], `${name}.gated`);
  }

  /** x · weightᵀ, + bias where there is one. */
  gemm(output: string, x: string, weight: string, bias: string | null = null): string {
    const inputs = bias === null ? [x, weight] : [x, weight, bias];
    return this.node('Gemm', inputs, output, { transB: 1 });
  }

  /** With so many columns of zeros after the others. */
  pad(x: string, columns: number): string {
    if (columns === 0) return x;
    return this.node('Pad', [x, this.#integers('pads', [0, 0, 0, columns])], 'padded');
  }

  /** The first of so many columns. */
  firstColumns(x: string, columns: number, of: number): string {
    if (columns === of) return x;
    const ends = this.#integers('columns', [columns]);
    const inputs = [x, this.#integers('none', [0]), ends, this.#integers('axis', [1])];
    return this.node('Slice', inputs, 'sliced');
  }

  standardize(x: string, standardization: Standardization | null): string {
    if (standardization === null) return x;
    const { mean, scale } = standardization;
    const shape = [mean.length];
    const shift = this.tensor({ name: 'standardize.mean', shape, read: () => mean });
    const factor = this.tensor({ name: 'standardize.scale', shape, read: () => scale });
    const centered = this.node('Sub', [x, shift], 'standardize.centered');
    return this.node('Div', [centered, factor], 'standardized');
  }

  /** Answers of the outputs: rates, probabilities, numbers in their units. */
  transform(y: string, of: OutputTransform | null): string {
    if (of === null) return y;
    const { curve, mean, scale } = of;
    const operator = { identity: null, exp: 'Exp', sigmoid: 'Sigmoid' }[curve];
    const curved = operator === null ? y : this.node(operator, [y], 'answer.curve');
    if (mean === null || scale === null) return curved;
    const shape = [mean.length];
    const factor = this.tensor({ name: 'target.scale', shape, read: () => scale });
    const shift = this.tensor({ name: 'target.mean', shape, read: () => mean });
    const scaled = this.node('Mul', [curved, factor], 'target.scaled');
    return this.node('Add', [scaled, shift], 'target.unscaled');
  }

  activate(name: string, activation: Activation, z: string): string {
    const made = new Map([['z', z]]);
    let result = z;
    for (const [step, operator, ...inputs] of describeActivation(activation).onnx) {
      const taken = inputs.map((input) =>
        typeof input === 'number' ? this.#number(input) : (made.get(input) as string),
      );
      result = this.node(operator, taken, `${name}.${step}`);
      made.set(step, result);
    }
    return result;
  }

  #integers(name: string, values: readonly number[]): string {
    if (this.tensors.some((tensor) => tensor.name === name)) return name;
    const read = () => BigInt64Array.from(values, BigInt);
    return this.tensor({ name, shape: [values.length], type: 'int64', read });
  }

  #number(value: number): string {
    const name = `number.${value}`;
    if (this.tensors.some((tensor) => tensor.name === name)) return name;
    return this.tensor({ name, shape: [], read: () => Float32Array.of(value) });
  }
}
