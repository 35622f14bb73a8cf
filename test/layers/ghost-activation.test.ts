import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEngine } from '#src/app/ranks/engines.js';
import { checkGradients } from '#src/autograd/gradient-check.js';
import { Tape } from '#src/autograd/tape.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { randomStream } from '#src/tensor/random.js';
import { activatedKind, GHOST_ACTIVATIONS } from '../../experiments/ghost-activation/layer.js';
import { layerCase, layerSizes } from './layer-case.js';

const B = 7;
const CURVES: Readonly<Record<string, (g: number) => number>> = {
  identity: (g) => g,
  silu: (g) => g / (1 + Math.exp(-g)),
  tanh: Math.tanh,
};

/** E[φ(g)²] of a normal g, by a sum. */
function secondMoment(curve: (g: number) => number): number {
  let sum = 0;
  for (let g = -12; g <= 12; g += 1 / 256) sum += (curve(g) ** 2 * Math.exp((-g * g) / 2)) / 256;
  return sum / Math.sqrt(2 * Math.PI);
}

describe('a phantom layer with a function on its ghosts', () => {
  for (const name of GHOST_ACTIVATIONS) {
    const kind = activatedKind(name);
    const layer = layerSizes(kind);
    const { operator, shapes } = layerCase(kind, layer, B, { rank: 0, size: 1 });

    it(`${name}: its gradients are difference quotients`, async () => {
      const engine = await createEngine('wasm');
      for (const check of checkGradients(operator, shapes, { engine })) {
        assert.ok(check.error < 5e-3, JSON.stringify(check));
      }
    });

    it(`${name}: what it computes are the equations in float64`, async () => {
      const engine = await createEngine('wasm');
      const tape = new Tape(engine, new Communicator(new SoloTransport()));
      const inputs = shapes.map((shape, i) => {
        const input = tape.variable(engine.allocate(shape), true);
        const values = new Float32Array(input.value.length);
        randomStream(1, `input ${i}`).fillNormal(values, 0);
        engine.toDevice(values, input.value);
        return { input, values };
      });
      tape.begin();
      const z = engine.toHost(tape.apply(operator, ...inputs.map(({ input }) => input)).value);

      const { blocks: P, ghosts: K } = layer;
      const [m, n] = [layer.inputs / P, layer.outputs / P];
      const of = (i: number) => inputs[i]?.values ?? new Float32Array();
      const curve = CURVES[name] ?? Math.abs;
      const scale = name === 'identity' ? 1 : 1 / Math.sqrt(secondMoment(curve));
      /** Row `row` of a tensor times what `column` gives. */
      const dot = (
        values: Float32Array,
        row: number,
        length: number,
        column: (i: number) => number,
      ) =>
        values
          .subarray(row * length, (row + 1) * length)
          .reduce((sum, value, i) => sum + value * column(i), 0);
      for (let b = 0; b < B; b++) {
        const x = (j: number) => (i: number) => of(0)[(j * m + i) * B + b] ?? 0;
        const ghosts = Array.from({ length: P }, (_, j) =>
          Array.from({ length: K }, (__, k) => scale * curve(dot(of(1 + P + j), k, m, x(j)))),
        );
        for (let j = 0; j < P; j++) {
          const others = ghosts.filter((_, other) => other !== j).flat();
          for (let row = 0; row < n; row++) {
            const expected =
              dot(of(1 + j), row, m, x(j)) +
              dot(of(1 + 2 * P + j), row, others.length, (i) => others[i] ?? 0);
            const got = z[(j * n + row) * B + b] ?? NaN;
            const at = `block ${j}, row ${row}, column ${b}: ${got}, not ${expected}`;
            assert.ok(Math.abs(got - expected) < 1e-4 * Math.max(1, Math.abs(expected)), at);
          }
        }
      }
    });
  }
});
