import assert from 'node:assert/strict';
import { test } from 'node:test';

import { areCrowded, decodeCores, encodeCores, type RankCores } from './crowded-cores.js';

test('ranks are crowded where a machine has fewer cores for them than they are', () => {
  const rank = (host: number, cpus: readonly number[], limit = Infinity): RankCores => {
    return { host, cpus, limit };
  };
  const crowded = (...ranks: RankCores[]) => areCrowded(ranks);
  assert.equal(crowded(rank(1, [0])), false);
  assert.equal(crowded(rank(1, [0, 1]), rank(1, [0, 1])), false);
  assert.equal(crowded(rank(1, [0]), rank(1, [0])), true);
  // Each bound to a core of its own, and the same numbers on two machines.
  assert.equal(crowded(rank(1, [0]), rank(1, [1])), false);
  assert.equal(crowded(rank(1, [0]), rank(2, [0])), false);
  assert.equal(crowded(rank(1, [0]), rank(2, [0]), rank(2, [0])), true);
  // A control group gives them less time than they have cores, or nothing says which cores there are.
  assert.equal(crowded(rank(1, [0, 1], 1.5), rank(1, [0, 1], 1.5)), true);
  assert.equal(crowded(rank(1, [], 2), rank(1, [], 2)), false);
  assert.equal(crowded(rank(1, [], 1), rank(1, [], 1)), true);
  assert.equal(crowded(rank(1, [0], 0.5)), false);
});

test('what a rank may use comes back from the numbers that ranks exchange', () => {
  const ranks: RankCores[] = [
    { host: 2 ** 24 - 1, cpus: [0, 15, 16, 47, 1023], limit: Infinity },
    { host: 7, cpus: [], limit: 1.5 },
    { host: 0, cpus: Array.from({ length: 1024 }, (_, cpu) => cpu), limit: 1024 },
  ];
  for (const rank of ranks) assert.deepEqual(decodeCores(encodeCores(rank)), rank);
});
