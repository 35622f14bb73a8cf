import assert from 'node:assert/strict';
import test from 'node:test';
import { HostPhaseClock } from '../base/phases.js';
import { Communicator } from '../communicators/communicator.js';
import { SoloTransport } from '../communicators/solo/solo-transport.js';
import { WindowMeter } from '../energy/windows.js';
import { EnergyAccount } from './energy-account.js';

test('what a device has still to do belongs to the steps that called it', () => {
  let [doneJ, calledJ] = [1, 0];
  // A look at the times waits for the device, which takes what it is called for.
  const wait = () => {
    doneJ += calledJ;
    calledJ = 0;
  };
  class Clock extends HostPhaseClock {
    override reset(): void {
      wait();
      super.reset();
    }
    override timesS(): number[] {
      wait();
      return super.timesS();
    }
  }
  const source = { name: 'device', obtained: 'integrated', energyJ: () => doneJ } as const;
  const meter = new WindowMeter({ name: 'device', description: 'device', sources: [source] });
  calledJ = 5;
  const account = new EnergyAccount(
    { meter, phases: new Clock(), power: null },
    new Communicator(new SoloTransport()),
  );
  calledJ = 10;
  account.setSteady(true);
  calledJ = 100;
  account.setSteady(false);
  calledJ = 1000;
  const { energy } = account.end(1, 1, { pue: 1, carbonIntensityGPerKWh: 0 });
  assert.equal(energy.steadyJ, 100);
  assert.equal(energy.energyJ, 1110);
});
