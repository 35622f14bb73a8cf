import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitPower } from './calibration-power.js';

test('the watts of a core come back from what a counter would have seen of them', () => {
  const [cores, busyW, waitingW] = [4, 9, 1.5];
  const idle = { energyJ: cores * waitingW * 2, elapsedS: 2, cpuS: 0.001 };
  // Three cores' worth of CPU time over ten seconds.
  const busy = { energyJ: 30 * busyW + 10 * waitingW, elapsedS: 10, cpuS: 30 };
  const power = fitPower(idle, busy, cores, 'a test');
  assert.deepEqual([power.busyW?.value, power.waitingW?.value], [busyW, waitingW]);
  assert.equal(fitPower(idle, { ...busy, energyJ: 0 }, cores, 'a test').busyW?.value, 0);
});
