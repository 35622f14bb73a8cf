import type { HostEngine } from '../../engines/host-engine.js';
import type { HostTensor } from '../../tensor/tensor.js';
import type { DenseNetwork } from '../../models/dense-network.js';
import type { OnnxGraph } from './messages.js';
import { describeOutputs, outputTransform } from '../../models/outputs.js';
import { GraphBuilder } from './network-graph.js';

/** A network of whole matrices as an ONNX graph: one Gemm a layer, and
 * what residual blocks have around them. `x` [batch, features] → `y`. */
export function denseGraph(network: DenseNetwork, engine: HostEngine): OnnxGraph {
  const builder = new GraphBuilder();
  let x = builder.standardize('x', network.standardization);
  // Memory of an engine is never given back: matrices of one shape share it, one after another.
  const memory = new Map<string, HostTensor>();
  const { residual } = network;
  let entered = x;
  for (const [i, layer] of network.layers.entries()) {
    const { name, rows, columns, place } = layer;
    if (place === 'up') entered = x;
    if (residual?.norm === 'rms' && (place === 'up' || layer.role === 'head')) {
      x = builder.node('Div', [x, builder.rootMeanSquare(name, x, columns)], `${name}.normed`);
    }
    const weight = builder.tensor({
      name: `${name}.weight`,
      shape: [rows, columns],
      read() {
        const tensor = memory.get(`${rows}×${columns}`) ?? engine.allocate([rows, columns]);
        memory.set(`${rows}×${columns}`, tensor);
        layer.readWeight(tensor);
        return tensor.data;
      },
    });
    const bias = builder.tensor({
      name: `${name}.bias`,
      shape: [rows],
      read: () => layer.readBias(),
    });
    x = builder.gemm(`${name}.z`, x, weight, bias);
    if (place === 'down') x = builder.node('Add', [entered, x], `${name}.sum`);
    else if (place === 'up' && residual?.gated) x = builder.gate(name, network.activation, x);
    else {
      const isLast = i === network.layers.length - 1;
      const isLinear = isLast || (residual !== null && place === null);
      x = builder.activate(name, isLinear ? 'identity' : network.activation, x);
    }
  }
  builder.node('Identity', [builder.transform(x, outputTransform(network))], 'y');
  const { width, depth, activation, loss } = network;
  return {
    name: 'dense',
    description:
      `Feed-forward network: width ${width}, depth ${depth}, ${activation}; ` +
      `y: ${describeOutputs(loss)}.`,
    nodes: builder.nodes,
    tensors: builder.tensors,
    inputs: [{ name: 'x', shape: ['batch', network.layers[0]?.columns ?? 0] }],
    outputs: [{ name: 'y', shape: ['batch', network.layers.at(-1)?.rows ?? 0] }],
  };
}
