// Calibration of CUDA devices, on stand-ins for CUDA's libraries and for NVML: the path, not the times.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import { calibrate } from '#src/app/calibrate/calibrate.js';
import { wattsOfEach } from '#src/app/calibrate/device-power.js';
import { createMeter } from '#src/app/ranks/meters.js';
import { MeterError } from '#src/base/errors.js';
import { readMachine, writeMachine } from '#src/machine/machines.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { buildNvml } from '../fakes/nvml.js';
import { temporaryFolder } from '../support/files.js';
import { CommandLine } from '../support/command-line.js';
import { withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
const SIZES = {
  weights: [4, 8],
  batches: [1, 4],
  passes: [64],
  poolElements: 4096,
  collectives: [32, 1024],
  steps: [{ width: 8, depth: 1, columns: 4 }],
};

describe('calibration of CUDA devices', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();
  before(() => (process.env['FAKE_CUDA_DEVICES'] = '1'));
  after(() => {
    for (const name of ['PHANTOM_NVML', 'PHANTOM_SYSFS', 'PHANTOM_ROCM_SMI']) {
      delete process.env[name];
    }
  });

  const measured = async (folder: string) => {
    const { machine } = await calibrate({
      ...({ name: 'here', engine: 'cuda', relaxedSimd: false, bind: 'none' } as const),
      ...{ sizes: SIZES, wattsS: 0.05, onWarning: () => {}, onProgress: () => {} },
      power: { busyW: null, waitingW: null, sharedW: null, energyPerByteJ: null },
    });
    const file = path.join(folder, 'here.json');
    writeMachine(file, machine);
    return { file, machine: await readMachine(file) };
  };

  it('is of the engine and its devices, and plans use it', async (context) => {
    const folder = temporaryFolder(context);
    process.env['PHANTOM_NVML'] = buildNvml(folder, 'nvml', { gpus: 2 });
    const { file, machine } = await measured(folder);
    const { compute, power, collectives } = machine;
    assert.match(machine.description, /^engine cuda, 1 device: Fake device 0, 2\.0 GiB/);
    assert.equal(machine.ranksPerNode.value, 1);
    // Of 2 GiB, without what is left to the driver.
    const memory = machine.rankMemoryBytes?.value ?? 0;
    assert.ok(memory > 1.5 * 2 ** 30 && memory < 1.9 * 2 ** 30, String(memory));
    assert.ok(compute.kind === 'measured');
    assert.match(compute.engine, /^cuda, Fake device 0.*never run on a GPU/);
    assert.deepEqual(compute.products.first, SIZES.weights);
    assert.deepEqual(
      collectives.map(({ ranks }) => ranks),
      [1, 2],
    );
    // GPU 1, which is not the device, takes 70 W of which the device has none: it waits as the device does.
    const { busyW, waitingW } = power;
    assert.ok(waitingW !== null && busyW !== null && busyW.value > 0);
    assert.ok(waitingW.value > 35 && waitingW.value < 70, String(waitingW.value));
    assert.match(power.busyW?.source ?? '', /by nvml: /);
    assert.match(power.sharedW?.source ?? '', /joules are those of the GPUs alone/);

    const flags = [
      '--ranks',
      '1',
      '--blocks',
      '2',
      '--width',
      '8',
      '--depth',
      '2',
      '--ghosts',
      '1',
    ];
    const commands = new CommandLine({ after }, folder);
    const plan = await commands.run('plan', '--machine', file, ...flags);
    assert.equal(plan.status, 0, plan.stderr);
    assert.match(plan.stdout, /as measured by phantom calibrate/);

    // Its watts are of devices: the model of CPU time does not take them.
    await assert.rejects(
      createMeter({ choice: 'modelled', machine: file }),
      (error) =>
        error instanceof MeterError && /are of devices.*--meter nvml or auto/.test(error.message),
    );
    Object.assign(process.env, { PHANTOM_SYSFS: folder, PHANTOM_ROCM_SMI: 'none' });
    const meter = await createMeter({ choice: 'auto', machine: file, gpus: true });
    meter.close();
    assert.match(
      meter.description,
      /\(machine default\).*; the watts of .*here.json are of devices; nvml/,
    );
  });

  it('shares watts out among devices, and others of the machine wait', () => {
    const counted = { idleW: 800, busyW: 1300, gpus: 8 };
    assert.deepEqual(wattsOfEach(counted, 1), { waitingW: 100, busyW: 600 });
    assert.deepEqual(wattsOfEach(counted, 5), { waitingW: 100, busyW: 200 });
    assert.deepEqual(wattsOfEach({ idleW: 70, busyW: 700, gpus: 1 }, 7), {
      waitingW: 10,
      busyW: 100,
    });
  });

  it('has no watts where nothing counts', async (context) => {
    process.env['PHANTOM_NVML'] = 'none';
    const { machine } = await measured(temporaryFolder(context));
    assert.equal(machine.power.busyW, null);
  });
});
