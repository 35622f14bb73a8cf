import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHosts } from './hosts.js';

test('hosts have their numbers, or an even share', () => {
  assert.deepEqual(parseHosts('a:4,b.example:2', null), [
    { name: 'a', slots: 4 },
    { name: 'b.example', slots: 2 },
  ]);
  assert.deepEqual(parseHosts('a, b', 6), [
    { name: 'a', slots: 3 },
    { name: 'b', slots: 3 },
  ]);
  assert.deepEqual(parseHosts('a', null), [{ name: 'a', slots: 1 }]);
});

test('what is no list of hosts, or too short for the ranks, is refused', () => {
  for (const text of ['', 'a:0', 'a:4,b', 'a,,b', 'a b', '--x=1', '/x', 'a:4:5', '$(x)']) {
    assert.throws(() => parseHosts(text, null), /\[launch\] --hosts /);
  }
  assert.throws(() => parseHosts('a:2,b:2', 5), /5 ranks, --hosts a:2,b:2 takes 4/);
  assert.throws(() => parseHosts('a,b', 5), /5 ranks on 2 hosts/);
});
