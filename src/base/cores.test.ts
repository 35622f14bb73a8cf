import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { availableCores, coreLimit } from './cores.js';

const made: string[] = [];
after(() => made.forEach((folder) => rmSync(folder, { recursive: true })));

/** A root with these files. */
function rootWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'cores-'));
  made.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), `${text}\n`);
  }
  return root;
}

const coresOf = (files: Readonly<Record<string, string>>) => coreLimit(rootWith(files))?.cores;

test('version 2: the least limit of a group and those above it', () => {
  const own = { 'proc/self/cgroup': '0::/pod/box' };
  const at = (folder: string) => `sys/fs/cgroup/${folder}cpu.max`;
  assert.equal(coresOf({ ...own, [at('pod/box/')]: '150000 100000' }), 1.5);
  assert.equal(
    coresOf({ ...own, [at('pod/box/')]: 'max 100000', [at('pod/')]: '200000 100000' }),
    2,
  );
  assert.equal(
    coresOf({ ...own, [at('pod/box/')]: '4 1', [at('pod/')]: '2 1', [at('')]: '8 1' }),
    2,
  );
  assert.equal(coresOf({ ...own, [at('pod/box/')]: 'max 100000' }), undefined);
});

test('version 1: quota over period, also where a container sees its own group as the root', () => {
  const own = { 'proc/self/cgroup': '4:memory:/docker/1\n3:cpu,cpuacct:/docker/1' };
  const files = (folder: string, quota: string) => ({
    [`sys/fs/cgroup/${folder}cpu.cfs_quota_us`]: quota,
    [`sys/fs/cgroup/${folder}cpu.cfs_period_us`]: '100000',
  });
  assert.equal(coresOf({ ...own, ...files('cpu,cpuacct/docker/1/', '50000') }), 0.5);
  assert.equal(coresOf({ ...own, ...files('cpu/', '300000') }), 3);
  assert.equal(coresOf({ ...own, ...files('cpu/', '-1') }), undefined);
});

test('without control groups there is no limit, and one core at least', () => {
  assert.equal(coreLimit(rootWith({})), null);
  assert.ok(availableCores() >= 1 && availableCores() <= os.availableParallelism());
});
