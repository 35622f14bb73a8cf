import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createEngine } from '#src/app/ranks/engines.js';
import { Parameter } from '#src/autograd/tape.js';
import { createOptimizer } from '#src/optimizers/optimizer.js';
import type { OptimizerName } from '#src/optimizers/optimizer-list.js';
import { numbersOf } from '../support/numbers.js';

interface Golden {
  readonly source: string;
  readonly initial: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly cases: readonly {
    readonly optimizer: OptimizerName;
    readonly options: Readonly<Record<string, number>>;
    readonly weights: readonly (readonly number[])[];
  }[];
}

const file = new URL('../../../test/golden/optimizers.json', import.meta.url);
const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden;

describe(`optimizers step as those of ${golden.source}`, () => {
  for (const { optimizer: name, options, weights } of golden.cases) {
    it(`${name} ${JSON.stringify(options)}`, async () => {
      const engine = await createEngine('wasm');
      const parameter = new Parameter(engine, {
        name: 'w',
        block: 0,
        shape: [golden.initial.length],
      });
      numbersOf(parameter.value).set(golden.initial);
      parameter.gradient = engine.allocate([golden.initial.length]);
      const defaults = { momentum: 0.9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
      const optimizer = createOptimizer({ ...defaults, ...options, name }, engine, [parameter]);
      for (const [t, gradient] of golden.gradients.entries()) {
        numbersOf(parameter.gradient).set(gradient);
        optimizer.step(t + 1, options['lr'], 1);
        for (const [i, expected] of (weights[t] ?? []).entries()) {
          const actual = numbersOf(parameter.value)[i];
          // A few float32 roundings of weights up to 4 and updates up to 0.3 a step.
          assert.ok(Math.abs(actual - expected) < 1e-6, `step ${t + 1}, [${i}]: ${actual}`);
        }
        const sum = gradient.reduce((total, g) => total + Math.fround(g) ** 2, 0);
        const squares = engine.read(optimizer.squares)[0];
        assert.ok(Math.abs(squares - sum) < 1e-12 * sum);
      }
    });
  }
});
