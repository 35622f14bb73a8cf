import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTING_KEYS, settingOf } from '../settings/keys.js';
import { resolveSettings } from '../settings/resolve.js';
import type { TrainingSettings } from '../settings/settings.js';
import { changedSettings, configHash } from './determining-settings.js';

/** Another value of each setting that says where a run computes, and whether its numbers change. */
const MACHINE: Readonly<Record<string, readonly [value: unknown, changesNumbers: boolean]>> = {
  ranks: [2, false],
  replicas: [2, true],
  engine: ['wasm', true],
  devices: [[1], false],
  bind: ['none', false],
  relaxedSimd: [true, true],
  timeout: [7, false],
};

test('each setting of the machine is known to change a run or not', () => {
  const keys = SETTING_KEYS.filter(
    (key) => 'group' in settingOf(key) && settingOf(key).group === 'Machine',
  );
  assert.deepEqual(keys.toSorted(), Object.keys(MACHINE).toSorted());
  const base = resolveSettings([{ where: 'test', settings: { ranks: 1 } }]);
  for (const [key, [value, changesNumbers]] of Object.entries(MACHINE)) {
    const other = { ...base, [key]: value } as TrainingSettings;
    assert.equal(configHash(other) !== configHash(base), changesNumbers, key);
    assert.equal(changedSettings(base, other).length, changesNumbers ? 1 : 0, key);
  }
});

test('making activations again changes no number', () => {
  const base = resolveSettings([{ where: 'test', settings: {} }]);
  const other = { ...base, recompute: 2 };
  assert.equal(configHash(other), configHash(base));
});
