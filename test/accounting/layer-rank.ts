// One rank of the accounting of single layers: a pass forward and back of each case, counted.
import { createEngine } from '#src/app/ranks/engines.js';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { Tape } from '#src/autograd/tape.js';
import type { Transport } from '#src/communicators/communicator.js';
import { RecordingTransport } from '#src/communicators/recording/recording-transport.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { blockLayout } from '#src/layers/block-layout.js';
import { addCosts, layerCost, type PassCost } from '#src/layers/cost.js';
import { KINDS } from '#src/layers/kinds.js';
import type { LayerSizes } from '#src/layers/outline.js';
import type { KindName } from '#src/layers/outlines.js';
import { paddedBytes } from '#src/layers/padded-bytes.js';
import type { GhostPrecision } from '#src/tensor/precision.js';
import { layerCase, layerSizes } from '../layers/layer-case.js';

export interface LayerRequest {
  readonly kind: KindName;
  readonly ghostPrecision: GhostPrecision;
  readonly ghostActivation: LayerSizes['ghostActivation'];
  readonly storedWhole: boolean;
  readonly inputNeedsGradient: boolean;
  readonly normalized: boolean;
}

type Counts = PassCost & { readonly allocatedBytes: number };

export interface LayerCount {
  readonly counted: Counts;
  readonly derived: Counts;
}

const COLUMNS = 11;

async function count(request: LayerRequest, transport: Transport): Promise<LayerCount> {
  const { kind: name, inputNeedsGradient, ...more } = request;
  const kind = KINDS[name];
  const recorder = new RecordingTransport(transport);
  const { engine, communicator, meters } = countedParts(await createEngine('wasm'), recorder);
  const layer = layerSizes(kind, more);
  const { operator, shapes } = layerCase(kind, layer, COLUMNS, communicator);
  const tape = new Tape(engine, communicator);
  const inputs = shapes.map((shape, i) =>
    tape.variable(engine.allocate(shape), i > 0 || inputNeedsGradient),
  );
  const before = engine.allocatedBytes;
  tape.backward(tape.apply(operator, ...inputs));
  const layout = blockLayout(layer.blocks, communicator.size, communicator.rank);
  const place = { layout, columns: COLUMNS, inputNeedsGradient };
  const { forward, backward } = layerCost(kind, layer, place);
  const { activationBytes, bufferBytes } = kind.memory(layer, place);
  const parameters = Array.from({ length: layout.blocksHere }, (_, j) =>
    kind.parameters(layer, layout.firstBlock + j),
  ).flat();
  const gradientBytes = parameters.reduce(
    (sum, { shape }) => sum + paddedBytes(shape.reduce((product, size) => product * size, 1)),
    0,
  );
  // The tape's own: the gradient of the output.
  const rows = kind.output === 'sharded' ? layer.outputs / communicator.size : layer.outputs;
  const outputBytes = paddedBytes(rows * COLUMNS);
  const { allGather, allToAll, reduceScatter, allReduce } = recorder.record;
  return {
    counted: {
      flops: meters.flops(),
      sentBytes: meters.sentBytes(),
      receivedBytes: meters.receivedBytes(),
      collectives: allGather.calls + allToAll.calls + reduceScatter.calls + allReduce.calls,
      allocatedBytes: engine.allocatedBytes - before,
    },
    derived: {
      ...addCosts(forward, backward),
      allocatedBytes: activationBytes + bufferBytes + gradientBytes + outputBytes,
    },
  };
}

await runRank<readonly LayerRequest[]>(async ({ data, transport }): Promise<LayerCount[]> => {
  const counts: LayerCount[] = [];
  for (const request of data) counts.push(await count(request, transport));
  return counts;
});
