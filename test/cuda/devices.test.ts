// Which device a rank has, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';

import { createEngine, deviceIds } from '#src/app/ranks/engines.js';
import { train } from '#src/app/train/train.js';
import { localRankOf, mostOnOneDevice } from '#src/communicators/mpi/mpi-worker.js';
import { resolveSettings } from '#src/settings/resolve.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { readMetrics, temporaryFolder } from '../support/files.js';
import { settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('devices of ranks', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  test('are taken in turn by the ranks of a machine, or those that are asked for', async () => {
    const nameOf = async (devices: readonly number[] | null, localRank: number) => {
      const engine = await createEngine('cuda', { devices, localRank });
      engine.close();
      return [engine.description.split(',')[0], engine.devices];
    };
    assert.deepEqual(await nameOf(null, 0), ['Fake device 0', 2]);
    assert.deepEqual(await nameOf(null, 3), ['Fake device 1', 2]);
    assert.deepEqual(await nameOf([1, 0], 0), ['Fake device 1', 2]);
    assert.deepEqual(await nameOf([1], 4), ['Fake device 1', 1]);
  });

  test('are told from all others by their UUIDs', async (context) => {
    const ids = await deviceIds('cuda', null);
    assert.equal(new Set(ids).size, 2);
    for (const id of ids) assert.match(id, /^[\da-f]{32}$/);
    assert.deepEqual(await deviceIds('cuda', [1, 0]), ids.toReversed());
    assert.deepEqual(await deviceIds('cuda', [0, 7]), []);
    assert.deepEqual(await deviceIds('wasm', null), []);
    // Another's number 0 is another device.
    process.env['FAKE_CUDA_UUID'] = '1';
    context.after(() => delete process.env['FAKE_CUDA_UUID']);
    assert.notDeepEqual(await deviceIds('cuda', null), ids);
  });

  test('a run has those that it names, and says when ranks share one', async (context) => {
    const warnings = async (devices: readonly number[], ranks: number) => {
      const out = path.join(temporaryFolder(context), 'run');
      const seen: string[] = [];
      const onEvent = (event: { type: string; message?: string }) => {
        if (event.type === 'warning') seen.push(event.message ?? '');
      };
      await train(settings(out, { devices, ranks, steps: 1 }), { onEvent });
      const start = readMetrics(out).find(({ type }) => type === 'start');
      assert.match(String(start?.['engineDescription']), new RegExp(`^Fake device ${devices[0]},`));
      return seen.filter((text) => text.includes('device'));
    };
    assert.deepEqual(await warnings([1, 0], 2), []);
    assert.match((await warnings([1], 2)).join(), /^2 ranks on 1 device: they take turns/);
  });
});

test('without a number of ranks, each device has one', () => {
  const ranksOf = (given: object) => resolveSettings([{ where: 'test', settings: given }]).ranks;
  assert.equal(ranksOf({ engine: 'cuda', blocks: 4 }), 1);
  assert.equal(ranksOf({ engine: 'cuda', blocks: 4, devices: [0, 2] }), 2);
  assert.equal(ranksOf({ engine: 'cuda', blocks: 4, devices: [0, 2], replicas: 2 }), 1);
  assert.equal(ranksOf({ engine: 'cuda', blocks: 4, devices: [0, 2], ranks: 4 }), 4);
});

test('a process has its place on its machine from its launcher, or else from the hosts of all', () => {
  const processes = ['a', 'b', 'a', 'b', 'a'].map((host, pid) => ({ host, pid }));
  const places = processes.map((_, rank) => localRankOf({ rank, localRank: null }, processes));
  assert.deepEqual(places, [0, 0, 1, 1, 2]);
  assert.equal(localRankOf({ rank: 3, localRank: 7 }, processes), 7);
});

test('a rank with a GPU of its own shares it with no other, whatever its number', () => {
  const most = (...devices: readonly string[]) =>
    mostOnOneDevice(devices.map((device, pid) => ({ host: 'a', pid, device })));
  assert.equal(most('', ''), null);
  assert.equal(most('a', 'b', 'c'), 1);
  assert.equal(most('a', 'b', 'a', 'a'), 3);
});
