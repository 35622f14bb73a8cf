import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHASE, HostPhaseClock, PHASES } from '../base/phases.js';
import { runEnergy, shareOut } from './run-energy.js';

const PARTS = {
  meter: 'rapl',
  description: '',
  obtained: 'counter',
  energyJ: 7.2e6,
  gpuJ: 7e6,
  elapsedS: 3600,
  steps: 1000,
  samples: 100_000,
  steadyJ: 5.4e6,
  rankTimesS: [
    [1800, 0, 0, 1800, 0, 0, 0],
    [1800, 0, 0, 0, 0, 0, 1800],
  ],
  phaseWeights: [8, 0, 0, 1, 0, 0, 1],
  rankWeights: [6, 4],
  carbonIntensityGPerKWh: 100,
  pue: 1.5,
} as const;

test('a run of two kilowatt-hours', () => {
  const energy = runEnergy(PARTS);
  assert.deepEqual(
    [
      energy.gpuJ,
      energy.energyKWh,
      energy.meanPowerW,
      energy.perStepJ,
      energy.perSampleJ,
      energy.emissionsG,
    ],
    [7e6, 2, 2000, 5400, 54, 300],
  );
  assert.deepEqual(energy.perRankJ, [4.32e6, 2.88e6]);
  assert.deepEqual(energy.phases.waiting, { timeS: 900, energyJ: 0.54e6 });
  const phasesJ = PHASES.map((name) => energy.phases[name].energyJ ?? Number.NaN);
  assert.equal(
    phasesJ.reduce((sum, energyJ) => sum + energyJ, 0),
    5.4e6,
  );
  assert.deepEqual([energy.steadyJ, energy.restJ], [5.4e6, 1.8e6]);
});

test('an unknown energy is unknown in every part, never zero', () => {
  const { phases, ...energy } = runEnergy({ ...PARTS, energyJ: null });
  assert.equal(energy.obtained, 'unavailable');
  const { gpuJ, energyKWh, meanPowerW, perStepJ, emissionsG, steadyJ, restJ } = energy;
  const values = [gpuJ, energyKWh, meanPowerW, perStepJ, emissionsG, steadyJ, restJ];
  assert.deepEqual(values, [null, null, null, null, null, null, null]);
  assert.deepEqual([energy.perRankJ, phases.local.energyJ], [[null, null], null]);
  assert.deepEqual(shareOut(5, [0, 0]), [null, null]);
});

test('every moment belongs to one phase', () => {
  const began = performance.now();
  const clock = new HostPhaseClock();
  assert.equal(clock.enter(PHASE.local), PHASE.other);
  while (performance.now() - began < 5);
  assert.equal(clock.enter(PHASE.waiting), PHASE.local);
  const waiting = performance.now();
  while (performance.now() - waiting < 3);
  const timesS = clock.timesS();
  const elapsedS = (performance.now() - began) / 1000;
  assert.ok((timesS[PHASE.local] ?? 0) > 0.0045 && (timesS[PHASE.waiting] ?? 0) > 0.0025);
  assert.ok(timesS.reduce((sum, timeS) => sum + timeS, 0) <= elapsedS + 1e-9);
  clock.reset();
  assert.equal(clock.timesS()[PHASE.local], 0);
});
