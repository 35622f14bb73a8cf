// NVML and ROCm SMI against libraries that stand in for them: a driver's answers, scripted in C.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createMeter } from '#src/app/ranks/meters.js';
import { buildLibrary, buildNvml } from '../fakes/nvml.js';

const required = process.env['PHANTOM_REQUIRE_NATIVE'] === '1';
const hidden = process.env['PHANTOM_BLAS'] === 'none' && process.env['PHANTOM_MPI'] === 'none';
const missing = spawnSync('gcc', ['--version']).status !== 0;
const skip = required
  ? false
  : hidden
    ? 'native parts are hidden'
    : missing
      ? 'no gcc to compile the stand-in with'
      : process.platform === 'win32'
        ? 'a shared library is built otherwise on Windows'
        : false;

/** GPU 0 counts 65,536 units of 15.25 µJ at every look. GPU 1 has no counter and takes 250 W. */
const ROCM = `
#include <stdint.h>
#include <string.h>
int rsmi_init(uint64_t flags) { return flags == 0 ? 0 : 1; }
int rsmi_shut_down(void) { return 0; }
int rsmi_num_monitor_devices(uint32_t* count) { *count = 2; return 0; }
int rsmi_dev_name_get(uint32_t i, char* name, size_t n) { strncpy(name, "MI250X", n); return 0; }
int rsmi_dev_energy_count_get(uint32_t i, uint64_t* count, float* unit, uint64_t* time) {
  static uint64_t counted = 0;
  if (i != 0) return 2;
  *count = counted += 65536;
  *unit = 15.25f;
  *time = 1;
  return 0;
}
int rsmi_dev_power_ave_get(uint32_t i, uint32_t sensor, uint64_t* uW) {
  *uW = 250000000;
  return sensor == 0 ? 0 : 2;
}
`;

describe('GPU meters', { skip }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gpu-'));
  const libraries = { nvml: '', broken: '', none: '', rocm: '' };
  before(() => {
    libraries.nvml = buildNvml(folder, 'nvml', { gpus: 2 });
    libraries.broken = buildNvml(folder, 'broken', { gpus: 1, breaks: true });
    libraries.none = buildNvml(folder, 'none', { gpus: 0 });
    libraries.rocm = buildLibrary(folder, 'rocm', ROCM);
  });
  after(() => {
    rmSync(folder, { recursive: true });
    delete process.env['PHANTOM_NVML'];
    delete process.env['PHANTOM_ROCM_SMI'];
  });

  test('NVML: a counter where there is one, else power', async () => {
    process.env['PHANTOM_NVML'] = libraries.nvml;
    const meter = await createMeter({ choice: 'nvml', machine: 'default' });
    assert.deepEqual([meter.name, meter.obtained], ['nvml', 'integrated']);
    assert.match(meter.description, /GPU 0 A100, GPU 1 P40 \(power samples\)/);
    meter.begin('work');
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    const { parts, elapsedS, obtained } = meter.end('work');
    meter.close();
    assert.equal(obtained, 'integrated');
    const [counted, integrated] = parts.map(({ energyJ }) => energyJ);
    assert.ok(Math.abs((counted ?? 0) - 0.1) < 1e-9, 'one look later, 100 mJ more');
    assert.ok(Math.abs((integrated ?? 0) - 70 * elapsedS) < 1e-9);
  });

  test('NVML: a GPU that stops answering makes the energy unknown', async () => {
    process.env['PHANTOM_NVML'] = libraries.broken;
    const meter = await createMeter({ choice: 'nvml', machine: 'default' });
    meter.begin('work');
    const { energyJ, problem } = meter.end('work');
    assert.equal(energyJ, null);
    assert.match(
      problem ?? '',
      /^\[nvml\] reading the energy of GPU 0 A100 failed: Unknown Error$/,
    );
    meter.close();
  });

  test('NVML: a driver without a GPU, and no driver, are reported', async () => {
    process.env['PHANTOM_NVML'] = libraries.none;
    const request = { choice: 'nvml', machine: 'default' } as const;
    await assert.rejects(
      createMeter(request),
      /^MeterError: \[nvml\] the driver is installed but finds no/,
    );
    process.env['PHANTOM_NVML'] = path.join(folder, 'nowhere.so');
    await assert.rejects(createMeter(request), /^MeterError: \[nvml\] .*NVIDIA's driver$/);
  });

  test('ROCm SMI: a counter with its unit where there is one, else power', async () => {
    process.env['PHANTOM_ROCM_SMI'] = libraries.rocm;
    const meter = await createMeter({ choice: 'rocm', machine: 'default' });
    assert.match(meter.description, /GPU 0 MI250X, GPU 1 MI250X \(power samples\)/);
    meter.begin('work');
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
    const { parts, elapsedS } = meter.end('work');
    meter.close();
    const [counted, integrated] = parts.map(({ energyJ }) => energyJ);
    assert.ok(Math.abs((counted ?? 0) - 65_536 * 15.25e-6) < 1e-9);
    assert.ok(Math.abs((integrated ?? 0) - 250 * elapsedS) < 1e-9);
  });

  test('auto adds GPUs for a program that may compute on them, and for no other', async () => {
    process.env['PHANTOM_NVML'] = libraries.nvml;
    process.env['PHANTOM_ROCM_SMI'] = 'none';
    process.env['PHANTOM_SYSFS'] = folder;
    const request = { choice: 'auto', machine: 'default' } as const;
    const both = await createMeter({ ...request, gpus: true });
    assert.deepEqual([both.name, both.obtained], ['modelled+nvml', 'modelled']);
    both.close();
    const processor = await createMeter(request);
    assert.deepEqual([processor.name, processor.obtained], ['modelled', 'modelled']);
    delete process.env['PHANTOM_SYSFS'];
  });
});
