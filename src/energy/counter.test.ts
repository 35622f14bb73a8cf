import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MeterError } from '../base/errors.js';
import { counterSource, type EnergyCounter, integratedSource } from './counter.js';

/** A RAPL-like counter of microjoules that reads what it is set to. */
function scripted(counts: readonly number[], range: number | null = 262_143_328_850) {
  let i = 0;
  const counter: EnergyCounter = {
    name: 'package-0',
    jouleACount: 1e-6,
    range,
    maximumW: 1000,
    read: () => counts[i++] ?? Number.NaN,
  };
  return counterSource(counter);
}

const wrong = (message: RegExp) => (error: unknown) =>
  error instanceof MeterError && message.test(error.message);

describe('a counter', () => {
  test('adds up from its first reading', () => {
    const source = scripted([5e6, 5e6, 55e6, 105e6]);
    assert.deepEqual(
      [0, 0.001, 1, 2].map((nowS) => source.energyJ(nowS)),
      [0, 0, 50, 100],
    );
  });

  test('goes on over a wrap', () => {
    const range = 262_143_328_850;
    const source = scripted([range - 20e6, 30e6, 80e6], range);
    assert.deepEqual(
      [0, 1, 2].map((nowS) => source.energyJ(nowS)),
      [0, 50, 100],
    );
  });

  const failures: [string, readonly number[], readonly number[], number | null, RegExp][] = [
    ['that goes backwards', [0, 1], [5e6, 4e6], null, /went backwards, from 5000000 to 4000000/],
    ['that is set back', [0, 1], [5e9, 0], 262_143_328_850, /went backwards/],
    ['that jumps', [0, 1], [0, 5e9], 262_143_328_850, /jumped by 5000 J in 1\.000 s/],
    ['that stops', [0, 0.3, 0.6], [7, 7, 7], null, /has stayed at 7 for 0\.6 s/],
    [
      'that stops shortly before the end',
      [0, 1, 1.3, 1.6],
      [0, 9e6, 9e6, 9e6],
      null,
      /has stayed at/,
    ],
    ['that was not read for long', [0, 500], [0, 9], 262_143_328_850, /more than once/],
    ['that says nothing', [0], [Number.NaN], null, /reads NaN/],
  ];
  for (const [name, times, counts, range, message] of failures) {
    test(`${name} gives no joules`, () => {
      const source = scripted(counts, range);
      for (const nowS of times.slice(0, -1)) source.energyJ(nowS);
      assert.throws(() => source.energyJ(times.at(-1) ?? 0), wrong(message));
    });
  }

  test('may stand still for a moment', () => {
    const source = scripted([0, 0, 3e6, 3e6]);
    assert.deepEqual(
      [0, 0.4, 0.5, 0.9].map((nowS) => source.energyJ(nowS)),
      [0, 0, 3, 3],
    );
  });
});

describe('a power sensor', () => {
  test('is integrated by trapezoids', () => {
    const powers = [10, 30, 30, 0];
    const source = integratedSource({ name: 'GPU 0', read: () => powers.shift() ?? 0 });
    assert.deepEqual(
      [0, 1, 3, 4].map((nowS) => source.energyJ(nowS)),
      [0, 20, 80, 95],
    );
  });

  test('that was not sampled, or says nonsense, gives no joules', () => {
    const gap = integratedSource({ name: 'GPU 0', read: () => 10 });
    gap.energyJ(0);
    assert.throws(() => gap.energyJ(61), wrong(/not sampled for 61 s/));
    const negative = integratedSource({ name: 'GPU 0', read: () => -1 });
    assert.throws(() => negative.energyJ(0), wrong(/reads -1 W/));
  });
});
