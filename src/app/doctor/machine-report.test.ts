import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { KOFFI_PACKAGE, koffiInstalled } from '../ranks/probes.js';
import { adviceFor, topologyFindings } from './machine-report.js';

/** Advice for rates in GFLOP/s; 0: not there. */
function advice(
  blas: number,
  wasm: number,
  relaxed: number,
  { koffi = true, nodeLacks = null }: { koffi?: boolean; nodeLacks?: number | null } = {},
): string[] {
  const engine = (name: string, rate: number) => ({
    name,
    available: rate > 0,
    detail: '',
    flopsPerS: rate > 0 ? rate * 1e9 : null,
  });
  return adviceFor({
    engines: [engine('blas', blas), engine('wasm', wasm), engine('wasm --relaxed-simd', relaxed)],
    auto: blas > 0 ? 'blas' : 'wasm',
    probe: { candidates: [], remedy: 'install a library' },
    koffi,
    nodeLacks,
  }).map(({ how }) => how);
}

test('a machine with a fast library needs nothing', () => {
  assert.deepEqual(advice(90, 30, 40), []);
});

test('without a library it is named how to get one, and what helps until then', () => {
  assert.deepEqual(advice(0, 30, 40), [
    'install a library',
    'npx phantom-parallel train --relaxed-simd',
  ]);
  assert.deepEqual(advice(0, 30, 31), ['install a library'], 'a gain within the noise is none');
});

test('without koffi no library can be called', () => {
  assert.deepEqual(advice(0, 30, 0, { koffi: false }), [
    `npm install ${KOFFI_PACKAGE}`,
    'install a library',
  ]);
});

test('a newer Node is named where kernels multiply', () => {
  assert.deepEqual(advice(0, 30, 30, { nodeLacks: 24 }), ['install a library', 'Node 24 or newer']);
  assert.deepEqual(advice(90, 30, 30, { nodeLacks: 24 }), [], 'a library multiplies');
});

test('a library slower than WebAssembly is worth another', () => {
  assert.match(advice(3, 30, 40)[0] ?? '', /^--engine wasm, or a faster library: install/);
});

test('the topology names nodes, cores, threads and the control group', (context) => {
  const root = mkdtempSync(path.join(tmpdir(), 'doctor-'));
  context.after(() => rmSync(root, { recursive: true }));
  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), `${text}\n`);
  };
  assert.deepEqual(topologyFindings(root), [], 'nothing is known');
  write('sys/devices/system/cpu/online', '0-3');
  assert.equal(topologyFindings(root)[0]?.detail, '1 NUMA node, 4 cores, 4 threads');
  write('sys/devices/system/node/node0/cpulist', '0-1');
  write('sys/devices/system/node/node1/cpulist', '2-3');
  write('proc/self/status', 'Cpus_allowed_list:\t0-2');
  write('proc/self/cgroup', '0::/');
  write('sys/fs/cgroup/cpuset.cpus.effective', '0-2');
  const bound = koffiInstalled()
    ? '--bind auto binds ranks to them, 2 ranks or more'
    : 'ranks are not bound to them: koffi is not installed';
  assert.equal(
    topologyFindings(root)[0]?.detail,
    `2 NUMA nodes, 3 cores, 3 threads; of 4 threads, by ${root}/sys/fs/cgroup/cpuset.cpus.effective ` +
      `(node 0: 2 threads, node 1: 1 thread); ${bound}`,
  );
});
