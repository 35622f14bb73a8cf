// Which device a rank has, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';

import { deviceFindings } from '#src/app/doctor/machine-report.js';
import { createEngine, deviceIds, deviceLinks } from '#src/app/ranks/engines.js';
import { train } from '#src/app/train/train.js';
import { NativeError } from '#src/base/errors.js';
import { localRankOf, mostOnOneDevice } from '#src/communicators/mpi/mpi-worker.js';
import { checkSettings } from '#src/settings/checked-settings.js';
import { resolveSettings } from '#src/settings/resolve.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { readMetrics, temporaryFolder } from '../support/files.js';
import { settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
const UUIDS = [0, 1].map((n) => `GPU-000${n}0000-0000-0000-0000-00000000000${n}`) as [
  string,
  string,
];

describe('devices of ranks', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  test('are taken in turn by the ranks of a machine, or those that are asked for', async () => {
    const nameOf = async (devices: readonly (number | string)[] | null, localRank: number) => {
      const engine = await createEngine('cuda', { devices, localRank });
      engine.close();
      return [engine.description.split(',')[0], engine.devices];
    };
    assert.deepEqual(await nameOf(null, 0), ['Fake device 0', 2]);
    assert.deepEqual(await nameOf(null, 3), ['Fake device 1', 2]);
    assert.deepEqual(await nameOf([1, 0], 0), ['Fake device 1', 2]);
    assert.deepEqual(await nameOf([1], 4), ['Fake device 1', 1]);
    // By UUIDs, whole or as they begin.
    assert.deepEqual(await nameOf(['GPU-0001', 0], 0), ['Fake device 1', 2]);
    assert.deepEqual(await nameOf(['MIG-0001', 0], 1), ['Fake device 0', 2]);
    assert.deepEqual(await nameOf([UUIDS[1], UUIDS[0].toUpperCase()], 1), ['Fake device 0', 2]);
  });

  test('that are not there, or not one, are refused with what there is', async () => {
    const there = `the driver sees 0: Fake device 0 \\(${UUIDS[0]}\\), 1: Fake device 1 \\(${UUIDS[1]}\\)$`;
    for (const [devices, problem] of [
      [[0, 'GPU-0002'], 'devices GPU-0002: there is none'],
      [['GPU-00'], 'devices GPU-00: 2 begin so'],
      [[1, 'GPU-0001'], 'devices GPU-0001: device 1 is named twice; --ranks makes more ranks'],
      [[7], 'devices 7: there is none'],
    ] as const) {
      await assert.rejects(createEngine('cuda', { devices }), (error) => {
        assert.ok(error instanceof NativeError, String(error));
        assert.match(error.message, new RegExp(`${problem}.*${there}`));
        return true;
      });
    }
  });

  test('are listed, with what copies go between them', async (context) => {
    context.after(() => {
      for (const name of ['FAKE_CUDA_PEERS', 'PHANTOM_CUDA_PEERS']) delete process.env[name];
    });
    const found = async () => deviceFindings(await deviceLinks()).map(({ detail }) => detail);
    const [devices, between] = await found();
    assert.equal(devices, `0: Fake device 0 (${UUIDS[0]}), 1: Fake device 1 (${UUIDS[1]})`);
    assert.match(
      between ?? '',
      /^peer copies, directly between all of them, where ranks are threads/,
    );
    process.env['FAKE_CUDA_PEERS'] = '0';
    assert.match((await found())[1] ?? '', /^peer copies, by way of the driver, as no two reach/);
    process.env['PHANTOM_CUDA_PEERS'] = 'off';
    assert.match(
      (await found())[1] ?? '',
      /^by way of the host's memory: PHANTOM_CUDA_PEERS is off/,
    );
  });

  test('are told from all others by their UUIDs', async (context) => {
    const ids = await deviceIds('cuda', null);
    assert.equal(new Set(ids).size, 2);
    for (const id of ids) assert.match(id, /^[\da-f]{32}$/);
    assert.deepEqual(await deviceIds('cuda', [1, 0]), ids.toReversed());
    assert.deepEqual(await deviceIds('cuda', ['GPU-0001', 'GPU-0000']), ids.toReversed());
    assert.deepEqual(await deviceIds('cuda', [0, 7]), []);
    assert.deepEqual(await deviceIds('wasm', null), []);
    // Another's number 0 is another device.
    process.env['FAKE_CUDA_UUID'] = '1';
    context.after(() => delete process.env['FAKE_CUDA_UUID']);
    assert.notDeepEqual(await deviceIds('cuda', null), ids);
  });

  test('a run has those that it names, and says when ranks share one', async (context) => {
    const warnings = async (devices: readonly (number | string)[], ranks: number) => {
      const out = path.join(temporaryFolder(context), 'run');
      const seen: string[] = [];
      const onEvent = (event: { type: string; message?: string }) => {
        if (event.type === 'warning') seen.push(event.message ?? '');
      };
      await train(settings(out, { devices, ranks, steps: 1 }), { onEvent });
      const start = readMetrics(out).find(({ type }) => type === 'start');
      assert.match(
        String(start?.['engineDescription']),
        new RegExp(`^Fake device ${String(devices[0]).at(-1)},`),
      );
      return seen.filter((text) => text.includes('device'));
    };
    assert.deepEqual(await warnings(['GPU-0001', 0], 2), []);
    assert.match((await warnings([1], 2)).join(), /^2 ranks on 1 device: they take turns/);
  });
});

test('copies of some pairs of devices go by way of the driver', () => {
  const links = (devices: string[], direct: [number, number][]) =>
    deviceFindings({ devices, direct, peers: true }).map(({ detail }) => detail);
  assert.deepEqual(links(['one'], []), ['one']);
  const [, between = ''] = links(['a', 'b', 'c'], [[0, 1]]);
  assert.match(between, /^peer copies, directly between 0 and 1, else by way of the driver,/);
  assert.deepEqual(deviceFindings(null), []);
});

test('without a number of ranks, each device has one', () => {
  const ranksOf = (given: object) => resolveSettings([{ where: 'test', settings: given }]).ranks;
  assert.equal(ranksOf({ engine: 'cuda', blocks: 4 }), 1);
  assert.equal(ranksOf({ engine: 'cuda', blocks: 4, devices: [0, 2] }), 2);
  assert.equal(ranksOf({ engine: 'cuda', blocks: 4, devices: ['GPU-1f', 'MIG-2e'] }), 2);
  for (const devices of [['GPU-'], ['fast'], [1024], [-1], [], ['0']]) {
    assert.throws(
      () => checkSettings('test', { devices }),
      /devices.*numbers from 0 to 1023 and of UUIDs or how they begin, as in 0,GPU-8932f937/,
    );
  }
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
