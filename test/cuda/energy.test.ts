// The GPU's joules beside the host's in a run, on stand-ins for CUDA's libraries and for NVML.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, describe, test } from 'node:test';

import { train } from '#src/app/train/train.js';
import { energyDetails } from '#src/cli/energy-text.js';
import type { TrainingEvent } from '#src/training/events.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { buildNvml } from '../fakes/nvml.js';
import { temporaryFolder } from '../support/files.js';
import { settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('energy of a run on CUDA devices', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();
  after(() => {
    for (const name of ['PHANTOM_NVML', 'PHANTOM_SYSFS', 'PHANTOM_ROCM_SMI']) {
      delete process.env[name];
    }
  });

  test('is the sum of the GPU and the rest, each of which is told', async (context) => {
    const folder = temporaryFolder(context);
    process.env['PHANTOM_NVML'] = buildNvml(folder, 'nvml', { gpus: 1 });
    process.env['PHANTOM_ROCM_SMI'] = 'none';
    // No counter of the processor.
    process.env['PHANTOM_SYSFS'] = folder;
    const warnings: string[] = [];
    const onEvent = (event: TrainingEvent) => {
      if (event.type === 'warning') warnings.push(event.message);
    };
    let runs = 0;
    const energyOf = async (engine: 'cuda' | 'wasm', meter: 'auto' | 'nvml') => {
      const out = path.join(folder, `run-${runs++}`);
      return (await train(settings(out, { engine, meter, ranks: 2, steps: 2 }), { onEvent }))
        .energy;
    };
    const both = await energyOf('cuda', 'auto');
    assert.equal(both.meter, 'modelled+nvml');
    assert.ok(both.energyJ !== null && both.gpuJ !== null);
    // The stand-in counts 0.1 J at every look.
    assert.ok(both.gpuJ >= 0.1 && both.energyJ > both.gpuJ, `${both.gpuJ} J of ${both.energyJ} J`);
    const told = new Map(energyDetails(both)).get('by GPUs') ?? '';
    assert.match(told, /^[\d.]+ m?J, and [\d.]+ [mµ]?J by the rest$/);

    const gpu = await energyOf('cuda', 'nvml');
    assert.equal(gpu.gpuJ, gpu.energyJ);
    assert.equal((await energyOf('wasm', 'auto')).gpuJ, null);
    const about = () => warnings.filter((text) => text.includes('energy'));
    assert.deepEqual(about(), []);
    // Where nothing counts the GPU, what is told is not the whole, and a run says so once.
    process.env['PHANTOM_NVML'] = 'none';
    assert.equal((await energyOf('cuda', 'auto')).gpuJ, null);
    assert.match(about().join('|'), /^energy is without that of the GPUs: \[nvml\] [^|]*$/);
  });
});
