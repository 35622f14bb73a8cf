import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { koffiInstalled } from './probes.js';
import { bindingOf } from './binding.js';

/** The root of a machine whose nodes have these processors. */
function machine(context: TestContext, online: string, ...nodes: string[]): string {
  const root = mkdtempSync(path.join(tmpdir(), 'binding-'));
  context.after(() => rmSync(root, { recursive: true }));
  const write = (file: string, text: string) => {
    const at = path.join(root, 'sys/devices/system', file);
    mkdirSync(path.dirname(at), { recursive: true });
    writeFileSync(at, `${text}\n`);
  };
  write('cpu/online', online);
  for (const [i, cpus] of nodes.entries()) write(`node/node${i}/cpulist`, cpus);
  return root;
}

test('ranks are bound on several nodes alone, and not where nobody wants it', (context) => {
  const two = machine(context, '0-3', '0-1', '2-3');
  const { processors, warning } = bindingOf('auto', 2, two);
  if (koffiInstalled()) {
    assert.deepEqual(processors, [
      [0, 1],
      [2, 3],
    ]);
    assert.equal(warning, null);
  } else {
    assert.equal(processors, null);
    assert.match(
      warning ?? '',
      /^ranks are not bound to their NUMA nodes: koffi .*npm install .*--bind none/,
    );
  }
  const nothing = { processors: null, warning: null };
  assert.deepEqual(bindingOf('none', 2, two), nothing);
  assert.deepEqual(bindingOf('auto', 1, two), nothing, 'fewer ranks than nodes');
  assert.deepEqual(bindingOf('auto', 2, machine(context, '0-3', '0-3')), nothing);
  assert.deepEqual(bindingOf('auto', 2, path.join(two, 'none')), nothing, 'nothing is known');
});
