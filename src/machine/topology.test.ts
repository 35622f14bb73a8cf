import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { cpuList, placeRanks, readTopology } from './topology.js';

/** A file system with these files. */
function tree(context: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(path.join(tmpdir(), 'topology-'));
  context.after(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${text}\n`);
  }
  return root;
}

const system = 'sys/devices/system';
/** Two nodes of two cores with two threads each; thread i + 4 is on the core of thread i. */
const TWO_NODES = {
  [`${system}/cpu/online`]: '0-7',
  [`${system}/node/node0/cpulist`]: '0-1,4-5',
  [`${system}/node/node1/cpulist`]: '2-3,6-7',
  [`${system}/node/node2/cpulist`]: '',
  ...Object.fromEntries(
    Array.from({ length: 8 }, (_, cpu) => [
      `${system}/cpu/cpu${cpu}/topology/thread_siblings_list`,
      `${cpu % 4},${(cpu % 4) + 4}`,
    ]),
  ),
};

test('nodes, cores and threads are read', (context) => {
  const topology = readTopology(tree(context, TWO_NODES));
  assert.deepEqual(topology, {
    nodes: [
      { id: 0, cpus: [0, 1, 4, 5] },
      { id: 1, cpus: [2, 3, 6, 7] },
    ],
    threads: 8,
    cores: 4,
    online: 8,
    cpuSet: null,
  });
});

test('only processors that the process may use count, and their control group is named', (context) => {
  const root = tree(context, {
    ...TWO_NODES,
    'proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-3,4\nMems_allowed_list:\t0-1',
    'proc/self/cgroup': '0::/jobs/a',
    'sys/fs/cgroup/jobs/cpuset.cpus.effective': '0-4',
  });
  const topology = readTopology(root);
  assert.deepEqual(topology?.nodes, [
    { id: 0, cpus: [0, 1, 4] },
    { id: 1, cpus: [2, 3] },
  ]);
  assert.equal(topology?.threads, 5);
  assert.equal(topology?.cores, 4);
  assert.equal(topology?.cpuSet, path.join(root, 'sys/fs/cgroup/jobs/cpuset.cpus.effective'));
});

test('a machine without nodes is one node, and one that says nothing has no topology', (context) => {
  const one = readTopology(tree(context, { [`${system}/cpu/online`]: '0-1' }));
  assert.deepEqual(one?.nodes, [{ id: 0, cpus: [0, 1] }]);
  assert.equal(one?.cores, 2);
  assert.ok(one);
  assert.equal(placeRanks(one, 2), null, 'nothing to bind');
  assert.equal(readTopology(tree(context, {})), null);
});

test('ranks that follow one another share a node, in proportion to its processors', (context) => {
  const topology = readTopology(tree(context, TWO_NODES));
  assert.ok(topology);
  const nodeOf = (ranks: number) =>
    placeRanks(topology, ranks)?.map((cpus) => (cpus.includes(0) ? 0 : 1));
  assert.deepEqual(nodeOf(4), [0, 0, 1, 1]);
  assert.deepEqual(nodeOf(2), [0, 1]);
  assert.equal(nodeOf(1), undefined, 'a node would be idle');
  assert.deepEqual(nodeOf(8), [0, 0, 0, 0, 1, 1, 1, 1]);
  assert.deepEqual(placeRanks(topology, 2)?.[0], [0, 1, 4, 5], 'all processors of the node');
  const [first, second] = topology.nodes;
  assert.ok(first && second);
  const uneven = {
    ...topology,
    nodes: [
      { ...first, cpus: [0] },
      { ...second, cpus: [2, 3, 6] },
    ],
  };
  const counts = placeRanks({ ...uneven, threads: 4 }, 8)?.filter((cpus) => cpus.length === 1);
  assert.equal(counts?.length, 2, 'a quarter of the processors takes a quarter of the ranks');
});

test('lists of processors', () => {
  assert.deepEqual(cpuList('0-2,5, 7-7'), [0, 1, 2, 5, 7]);
  assert.deepEqual(cpuList(''), []);
  assert.deepEqual(cpuList(null), []);
  assert.deepEqual(cpuList('3-1'), []);
});
