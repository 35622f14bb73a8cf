import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEngine } from '#src/app/ranks/engines.js';
import { Tape, Variable } from '#src/autograd/tape.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import type { LayerKind } from '#src/layers/kind.js';
import { kindsOf } from '#src/layers/network-kinds.js';
import { buildNetwork } from '#src/model/network.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { randomStream } from '#src/tensor/random.js';
import { numbersOf } from '../support/numbers.js';

const specificationOf = (depth: number, recompute: number): NetworkSpecification => ({
  ...{ strategy: 'phantom', width: 8, depth, blocks: 2, ghosts: 2, activation: 'tanh' },
  ends: { kind: 'replicated', inputs: 6, outputs: 3 },
  recompute,
});

/** Sizes asked of a network's layers, and its tape after a pass. */
async function passed(depth: number, recompute: number) {
  const engine = await createEngine('wasm');
  const communicator = new Communicator(new SoloTransport());
  const specification = specificationOf(depth, recompute);
  const kinds = kindsOf('phantom', depth, specification);
  let asked = 0;
  const counted = (kind: LayerKind): LayerKind => ({
    ...kind,
    memory: (layer, place) => {
      asked++;
      return kind.memory(layer, place);
    },
  });
  const network = buildNetwork(specification, engine, communicator, {
    kinds: { ...kinds, hidden: (layer) => counted(kinds.hidden(layer)) },
  });
  network.initialize(4);
  const x = engine.allocate([6, 5]);
  randomStream(1, 'x').fillNormal(numbersOf(x), 0);
  const tape = new Tape(engine, communicator);
  const output = network.forward(tape, new Variable(x, false));
  const read = () =>
    new Map(
      tape
        .outputs()
        .map(({ operator: { name }, output: { value } }) => [name, numbersOf(value).slice()]),
    );
  return { asked, read, backward: () => tape.backward(output) };
}

describe('parts of a network that are made again', () => {
  for (const recompute of [1, 2]) {
    it(`show only what is still there, after every ${recompute} layers`, async () => {
      const expected = (await passed(6, 0)).read();
      const { read, backward } = await passed(6, recompute);
      const shown = [read()];
      backward();
      shown.push(read());
      for (const outputs of shown) {
        for (const [name, values] of outputs) assert.deepEqual(values, expected.get(name), name);
      }
      const [before = 0, after = 0] = shown.map(({ size }) => size);
      assert.ok(expected.size > before && before > after && after >= 6 / recompute);
    });
  }

  it('ask each layer for its memory once, however many there are', async () => {
    for (const depth of [4, 12]) assert.equal((await passed(depth, 1)).asked, depth);
  });
});
