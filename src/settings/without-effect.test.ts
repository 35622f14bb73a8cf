import assert from 'node:assert/strict';
import test from 'node:test';
import { resolveSettings } from './resolve.js';
import type { GivenSettings } from './given.js';
import { type RunFacts, withoutEffect } from './without-effect.js';

const FACTS = {
  network: { depth: 2, ends: { kind: 'sharded' } },
  loss: 'mse',
  steps: 20,
  trainingRows: 100,
  validationRows: 0,
  isTable: false,
  widensKernels: false,
} as const;

function said(given: GivenSettings, facts: RunFacts = FACTS): string[] {
  const settings = resolveSettings([{ where: 'test', settings: given }]);
  return withoutEffect(new Set(Object.keys(given)), settings, facts);
}

test('a given setting that does nothing is said with its reason, a default is not', () => {
  assert.deepEqual(said({ strategy: 'tensor', ghosts: 8 }), [
    '--ghosts 8 has no effect: strategy tensor has no ghosts',
  ]);
  assert.deepEqual(said({ optimizer: 'adam', momentum: 0.9 }), [
    '--momentum 0.9 has no effect: optimizer adam has no momentum; adam and adamw have --beta1',
  ]);
  assert.deepEqual(said({ warmup: 20, earlyStopping: 3, target: ['y'] }), [
    '--early-stopping 3 has no effect: nothing is validated; give --validation 0.1',
    '--warmup 20 is as long as the run of 20 steps: the rate never reaches --lr',
    '--target y has no effect: the data are no table',
  ]);
  assert.deepEqual(said({ strategy: 'tensor', optimizer: 'adam' }), []);
});

test('relaxed kernels are said where plain ones are as fast', () => {
  const wide = { ...FACTS, widensKernels: true };
  assert.deepEqual(said({ relaxedSimd: true }, wide), [
    '--relaxed-simd true gains nothing on Node 24 and newer, where plain kernels are compiled twice as wide',
  ]);
  assert.deepEqual(said({ relaxedSimd: false }, wide), []);
  assert.deepEqual(said({ relaxedSimd: true }), []);
});

test('a task is of tables and of arrays, whose labels it can take for numbers', () => {
  assert.deepEqual(said({ task: 'classify' }), []);
  assert.deepEqual(said({ task: 'classify' }, { ...FACTS, trainingRows: null }), [
    '--task classify has no effect: the rows are generated',
  ]);
});

test('what a loss does not use is said', () => {
  const given = { huberDelta: 2, quantiles: [0.5], labelSmoothing: 0.1 };
  assert.deepEqual(said(given), [
    '--huber-delta 2 has no effect: loss mse does not use it',
    '--quantiles 0.5 has no effect: loss mse does not use it',
    '--label-smoothing 0.1 has no effect: loss mse does not use it',
  ]);
  for (const loss of ['cross-entropy', 'binary-cross-entropy'] as const) {
    assert.equal(said(given, { ...FACTS, loss }).length, 2);
  }
});

test('dropout is said where no hidden activation stands', () => {
  const depthOne = { ...FACTS.network, depth: 1 };
  const of = (network: RunFacts['network'], dropout = 0.5) =>
    said({ dropout }, { ...FACTS, network });
  assert.deepEqual(of(depthOne), [
    '--dropout 0.5 has no effect: a single layer with sharded ends has no hidden activation; give ' +
      '--depth 2 or more',
  ]);
  assert.deepEqual(of(depthOne, 0), []);
  assert.deepEqual(of(FACTS.network), []);
  assert.deepEqual(of({ depth: 1, ends: { kind: 'replicated', inputs: 4, outputs: 2 } }), []);
  assert.deepEqual(of({ ...depthOne, residual: { norm: 'rms', expansion: 2 } }), []);
});

test('what does something is not said', () => {
  const facts = { ...FACTS, validationRows: 10, isTable: true };
  const given = { ghosts: 8, optimizer: 'momentum', momentum: 0.9, warmup: 3, batch: 50 } as const;
  const more = {
    schedule: 'plateau',
    plateauFactor: 0.1,
    earlyStopping: 2,
    bestBy: 'loss',
  } as const;
  assert.deepEqual(said({ ...given, ...more, target: ['y'] }, facts), []);
});
