import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it, type TestContext } from 'node:test';
import { validateSpecification } from '../../model/specification.js';
import { networkOf } from '../../settings/network-settings.js';
import { resolveSettings } from '../../settings/resolve.js';
import { openComparison } from './comparison.js';
import { equalWidth } from './contestants.js';

it('gives every contestant a network that it can have', async (context: TestContext) => {
  const out = mkdtempSync(path.join(tmpdir(), 'comparison-'));
  context.after(() => {
    rmSync(out, { recursive: true });
  });
  const data = 'synthetic:teacher?widths=8,16,4&validation=32';
  const form = { compute: 'bfloat16', ghostActivation: 'tanh' } as const;
  const given = { strategy: 'phantom', ...form, width: 16, blocks: 2, out } as const;
  const settings = resolveSettings([
    { where: 'flags', settings: { ...given, data, ranks: 1, steps: 4, batch: 8 } },
  ]);
  const budget = { rates: [0.01], seeds: [0], sweepSeed: 1, searched: 0, patience: 1 };
  const comparison = await openComparison(settings, budget, [2], null);
  const strategies = equalWidth(comparison.baseline).map((contestant) => {
    const job = { contestant, rate: 0.01, seed: 0, target: null };
    const { strategy, ...own } = comparison.settingsOf(job);
    validateSpecification(networkOf(own, strategy, { kind: 'sharded' }));
    assert.equal(own.compute, 'bfloat16');
    assert.equal(own.ghostPrecision, strategy === 'phantom' ? 'bfloat16' : 'float32');
    assert.equal(own.ghostActivation, strategy === 'phantom' ? 'tanh' : 'none');
    return strategy;
  });
  assert.ok(['phantom', 'tensor'].every((strategy) => strategies.some((one) => one === strategy)));
});

it('leaves no folder where its engine cannot be made', async (context: TestContext) => {
  const above = mkdtempSync(path.join(tmpdir(), 'comparison-'));
  context.after(() => rmSync(above, { recursive: true }));
  const out = path.join(above, 'cmp');
  const data = 'synthetic:teacher?widths=8,16,4&validation=32';
  const given = { compute: 'tf32', engine: 'wasm', width: 16, blocks: 2, data, out } as const;
  const settings = resolveSettings([
    { where: 'flags', settings: { ...given, ranks: 1, steps: 4, batch: 8 } },
  ]);
  const budget = { rates: [0.01], seeds: [0], sweepSeed: 1, searched: 0, patience: 1 };
  await assert.rejects(openComparison(settings, budget, [2], null), /tf32 is of CUDA devices/);
  assert.equal(existsSync(out), false);
});
