// NVIDIA's management library, as far as it tells of energy, for tests of what calls it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

/** GPU 0 counts 100 mJ at every look. GPU 1 has no counter and takes 70 W. */
const SOURCE = `
#include <string.h>
static int started = 0;
int nvmlInit_v2(void) { started++; return 0; }
int nvmlShutdown(void) { started--; return 0; }
const char* nvmlErrorString(int code) { return code == 3 ? "Not Supported" : "Unknown Error"; }
int nvmlDeviceGetCount_v2(unsigned* count) { *count = GPUS; return started > 0 ? 0 : 1; }
static int devices[2];
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void** device) { *device = &devices[i]; return 0; }
int nvmlDeviceGetName(void* device, char* name, unsigned length) {
  strncpy(name, device == &devices[0] ? "A100" : "P40", length);
  return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* mJ) {
  static unsigned long long counted = 5000000000000ull;
  if (device != &devices[0]) return 3;
  if (BREAKS && counted > 5000000000100ull) return 999;
  *mJ = counted += 100;
  return 0;
}
int nvmlDeviceGetPowerUsage(void* device, unsigned* mW) { *mW = 70000; return 0; }
`;

/** What a stand-in for NVML says. */
export interface FakeNvml {
  /** Two at most. */
  readonly gpus: number;
  /** Whether GPU 0 stops answering after two looks. */
  readonly breaks?: boolean;
}

/** Compiles a stand-in. @returns the library */
export function buildNvml(
  folder: string,
  name: string,
  { gpus, breaks = false }: FakeNvml,
): string {
  return buildLibrary(folder, name, SOURCE, [`-DGPUS=${gpus}`, `-DBREAKS=${breaks ? 1 : 0}`]);
}

/** Compiles a shared library of a C source. @returns its path */
export function buildLibrary(
  folder: string,
  name: string,
  source: string,
  options: readonly string[] = [],
): string {
  const file = path.join(folder, `${name}.c`);
  writeFileSync(file, source);
  const library = path.join(folder, `lib${name}.so`);
  const args = ['-shared', '-fPIC', ...options, '-o', library, file];
  const { status, stderr } = spawnSync('gcc', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return library;
}
