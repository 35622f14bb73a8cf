import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { blasAvailable, createEngine } from '#src/app/ranks/engines.js';
import { checkGradients } from '#src/autograd/gradient-check.js';
import { Tape } from '#src/autograd/tape.js';
import { ShapeError } from '#src/base/errors.js';
import { Communicator } from '#src/communicators/communicator.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { NONLINEARITIES } from '#src/engines/activations.js';
import { blockLayout } from '#src/layers/block-layout.js';
import { PhantomLinear } from '#src/layers/phantom/operator.js';
import { GHOST_PRECISIONS, type GhostPrecision } from '#src/tensor/precision.js';
import { relativeError } from '../parity/assemble.js';
import { REFERENCE_ACTIVATIONS } from '../reference/activations.js';
import { type Dense, plus } from '../reference/matrix.js';
import { denseOf, phantomPass, ROUNDINGS } from '../reference/phantom-layer.js';
import type { PhantomRequest, PhantomTensor } from './phantom-rank.js';

const RANK = new URL('phantom-rank.js', import.meta.url);
const REQUEST: PhantomRequest = {
  engine: 'wasm',
  precision: 'float32',
  blocks: 4,
  blockWidth: 7,
  ghosts: 5,
  columns: 19,
  passes: [5],
  steps: 1,
};

/** Every rank's tensors for each request; those that are sharded by rows put together. */
async function run(
  data: readonly PhantomRequest[],
  ranks: number,
): Promise<ReadonlyMap<string, PhantomTensor>[]> {
  const { done } = launchRanks<PhantomTensor[][]>({ size: ranks, module: RANK, data });
  const byRank = await done;
  return data.map((_, i) => {
    const found = new Map<string, PhantomTensor>();
    for (const tensor of byRank.flatMap((results) => results[i])) {
      const isRows = tensor.name === 'x' || tensor.name === 'z';
      const name = isRows ? tensor.name : `${tensor.name} ${tensor.block}`;
      const before = found.get(name);
      found.set(name, before === undefined ? tensor : joined(before, tensor));
    }
    return found;
  });
}

function joined(a: PhantomTensor, b: PhantomTensor): PhantomTensor {
  const both = (what: 'value' | 'gradient') => Float32Array.from([...a[what], ...b[what]]);
  const shape = [a.shape[0] + b.shape[0], a.shape[1]];
  return { ...a, shape, value: both('value'), gradient: both('gradient') };
}

/** Float32 sums of some twenty products; a rounding that falls on the other side shows as far more,
 * and does not happen with these numbers. */
const TOLERANCE = 2e-6;

function compare(request: PhantomRequest, actual: ReadonlyMap<string, PhantomTensor>): void {
  const all = (what: string): Dense[] =>
    Array.from({ length: request.blocks }, (_, j) => {
      const { shape, value } = actual.get(`${what} ${j}`) as PhantomTensor;
      return denseOf(shape, value);
    });
  const [x, z] = [actual.get('x'), actual.get('z')];
  assert.ok(x && z);
  const weights = {
    local: all('local'),
    compressor: all('compressor'),
    decompressor: all('decompressor'),
  };
  const passes = request.passes.map((inUse) =>
    phantomPass(
      weights,
      denseOf(x.shape, x.value),
      denseOf(z.shape, z.gradient),
      inUse,
      ROUNDINGS[request.precision],
      REFERENCE_ACTIVATIONS[request.activation ?? 'identity'],
    ),
  );
  const near = (values: Float32Array, expected: Dense, what: string) => {
    const error = relativeError(values, expected.data);
    assert.ok(error < TOLERANCE, `${what}: relative error ${error}`);
  };
  near(z.value, passes.at(-1)?.z as Dense, 'z');
  near(x.gradient, passes.map(({ dx }) => dx).reduce(plus), 'dx');
  for (const what of ['local', 'compressor', 'decompressor'] as const) {
    for (let j = 0; j < request.blocks; j++) {
      const expected = passes.map((pass) => pass[what][j]).reduce(plus);
      near(actual.get(`${what} ${j}`)?.gradient ?? new Float32Array(), expected, `${what} ${j}`);
    }
  }
}

const engines = ['wasm', ...((await blasAvailable()) ? ['blas'] : [])] as ('wasm' | 'blas')[];

describe('a phantom layer against the float64 reference', () => {
  for (const engine of engines) {
    for (const precision of GHOST_PRECISIONS) {
      it(`${engine}, ${precision}, with all ghosts and with few`, async () => {
        const requests = [[5], [1], [3], [5, 1, 3], [2, 5]].map((passes) => {
          return { ...REQUEST, engine, precision, passes, steps: 2 };
        });
        for (const [i, actual] of (await run(requests, 1)).entries()) compare(requests[i], actual);
      });

      it(`${engine}, ${precision}, with a function on the ghosts`, async () => {
        const requests = NONLINEARITIES.flatMap((activation) =>
          [[5], [5, 1, 3]].map((passes) => {
            return { ...REQUEST, engine, precision, passes, activation };
          }),
        );
        for (const [i, actual] of (await run(requests, 1)).entries()) compare(requests[i], actual);
      });
    }
  }
});

describe('the bits of a phantom layer', () => {
  async function sameBits(requests: readonly PhantomRequest[], counts: readonly number[]) {
    const solo = await run(requests, 1);
    for (const ranks of counts) {
      for (const [i, tensors] of (await run(requests, ranks)).entries()) {
        const { precision } = requests[i];
        for (const [name, tensor] of tensors) {
          const { value, gradient } = solo[i].get(name) as PhantomTensor;
          assert.deepEqual(tensor.value, value, `${name} on ${ranks} ranks in ${precision}`);
          assert.deepEqual(tensor.gradient, gradient, `its gradient on ${ranks} ranks`);
        }
      }
    }
  }

  it('are the same on 1, 2 and 4 ranks in every precision', async () => {
    const requests = GHOST_PRECISIONS.flatMap((precision): PhantomRequest[] => {
      const request = { ...REQUEST, precision, passes: [5, 1, 3] };
      return [request, { ...request, activation: 'tanh' }];
    });
    await sameBits(requests, [2, 4]);
  });

  it('are the same on any number of ranks in low precision', async () => {
    await sameBits([{ ...REQUEST, blocks: 6, precision: 'int8', passes: [2] }], [3, 6]);
  });
});

describe('gradients of a phantom layer against difference quotients', () => {
  const [M, B, P, K] = [5, 7, 3, 4];
  const blocks = Array.from({ length: P });
  const weights = [
    [M, M],
    [K, M],
    [M, (P - 1) * K],
  ].flatMap((shape) => blocks.map(() => shape));
  const layer = (ghostPrecision: GhostPrecision = 'float32') =>
    new PhantomLinear(
      { name: 'phantom', inputs: P * M, outputs: P * M, ghosts: K, ghostPrecision },
      blockLayout(P, 1, 0),
    );
  const worst = (operator: PhantomLinear, tolerance: number, step: number) => async () => {
    const options = { engine: await createEngine('wasm'), step };
    for (const check of checkGradients(operator, [[P * M, B], ...weights], options)) {
      assert.ok(check.error < tolerance, `input ${check.input}: ${JSON.stringify(check)}`);
    }
  };
  for (const inUse of [1, 3]) {
    const operator = layer();
    operator.ghostsInUse = inUse;
    it(`with ${inUse} of ${K} ghosts`, worst(operator, 1e-3, 1 / 64));
  }
  // The layer is linear in each input: over a long way, rounding is small beside the difference.
  it('straight through bfloat16', worst(layer('bfloat16'), 0.03, 16));
  it('straight through int8', worst(layer('int8'), 0.06, 16));
});

describe('a normalized phantom layer', () => {
  const layer = {
    name: 'up',
    inputs: 8,
    outputs: 8,
    ghosts: 3,
    ghostPrecision: 'float32',
  } as const;
  const build = (form: Partial<ConstructorParameters<typeof PhantomLinear>[0]>) => () =>
    new PhantomLinear({ ...layer, normalized: true, ...form }, blockLayout(2, 1, 0));

  it('is of float32 without a function on the ghosts', () => {
    assert.doesNotThrow(build({ ghostActivation: null, compute: 'float32' }));
    const refused: [Parameters<typeof build>[0], RegExp][] = [
      [{ ghostActivation: 'tanh' }, /ghost activation tanh/],
      [{ ghostPrecision: 'bfloat16' }, /ghosts in bfloat16/],
      [{ ghostPrecision: 'int8' }, /ghosts in int8/],
      [{ compute: 'bfloat16' }, /compute bfloat16/],
    ];
    for (const [form, message] of refused) {
      assert.throws(build(form), (error) => {
        assert.ok(error instanceof ShapeError);
        assert.match(error.message, /^\[up\] normalized, /);
        assert.match(error.message, message);
        return true;
      });
      assert.doesNotThrow(build({ ...form, normalized: false }));
    }
  });
});

describe('ghosts in use', () => {
  it('are 1 to K, and can be changed between passes without new memory', async () => {
    const operator = new PhantomLinear(
      { name: 'phantom', inputs: 8, outputs: 8, ghosts: 3, ghostPrecision: 'int8' },
      blockLayout(2, 1, 0),
    );
    for (const count of [0, 4, 1.5, Number.NaN]) {
      assert.throws(() => (operator.ghostsInUse = count), ShapeError);
    }
    const engine = await createEngine('wasm');
    const tape = new Tape(engine, new Communicator(new SoloTransport()));
    const shapes = [
      [8, 5],
      [4, 4],
      [4, 4],
      [3, 4],
      [3, 4],
      [4, 3],
      [4, 3],
    ];
    const inputs = shapes.map((shape) => tape.variable(engine.allocate(shape), true));
    let allocated = 0;
    for (const inUse of [3, 1, 2, 3, 1]) {
      operator.ghostsInUse = inUse;
      tape.begin();
      tape.backward(tape.apply(operator, ...inputs));
      allocated ||= engine.allocatedBytes;
      assert.equal(engine.allocatedBytes, allocated);
    }
  });
});
