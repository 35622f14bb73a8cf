// Devices of MPI processes that exchange by NCCL, on the stand-in for CUDA's libraries: every strategy and precision, when
// they go by way of the host instead, what a step allocates and waits for, and every failure.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';

import type { TrainingSettings } from '#src/settings/settings.js';

import { communicatorContract } from '../contract/communicator-contract.js';
import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { VARIANTS } from '../golden/golden-losses.js';
import { processes } from '../native/mpi-contract.js';
import { temporaryFolder } from '../support/files.js';
import { findMpiruns } from '../support/mpi.js';
import { lossesMpi, lossesOfHosts, trainMpi, withFakeNccl } from './nccl-runs.js';
import { assertGolden } from './training-runs.js';

const noFake = reasonToSkipFakeCuda();
if (noFake === null) withFakeNccl();
const skips = [
  {
    reason: 'ranks meet in the waits, so they have to wait in one order in different groups',
    tests: ['runs collectives of the whole and of its parts side by side'],
  },
];
const NCCL = ', NCCL 2.21.5 between devices';
const HOSTS = ", by way of the host's memory";

for (const { mpirun, skip } of findMpiruns()) {
  const { family } = mpirun;
  // What depends on MPI is tested with both, all else with one.
  const isFirst = family === 'Open MPI';
  describe(`NCCL under ${family}`, { skip: noFake ?? skip }, () => {
    const onDevices = processes(mpirun, { kernels: true, recording: false, devices: true });
    communicatorContract(`NCCL under ${family}`, onDevices, {
      sizes: isFirst ? [2, 3, 4] : [2],
      failureSizes: [2],
      skips,
      thorough: true,
    });

    const MORE: Readonly<Record<string, Partial<TrainingSettings>>> = {
      ...VARIANTS,
      'phantom on four ranks': { ranks: 4 },
      'tensor on four ranks': { strategy: 'tensor', ranks: 4 },
      'tensor-paired on replicas': { strategy: 'tensor-paired', replicas: 2 },
      'residual blocks': { architecture: 'residual', norm: 'rms', gated: true, clipNorm: 1 },
    };
    for (const [name, variant] of Object.entries(isFirst ? MORE : { phantom: {} })) {
      it(`has the bits of exchanges by way of the host: ${name}`, async (context) => {
        const { losses, way } = await lossesMpi(mpirun, context, variant);
        assert.equal(way, NCCL);
        assert.deepEqual(losses, await lossesOfHosts(context, variant));
        if (name in VARIANTS) assertGolden(name, losses);
      });
    }

    it('has the bits of any other order where streams run in a drawn one', async (context) => {
      const { losses } = await lossesMpi(mpirun, context, { ranks: 4 }, { FAKE_CUDA_ORDER: '7' });
      assert.deepEqual(losses, await lossesOfHosts(context, { ranks: 4 }));
    });

    const INSTEAD: readonly (readonly [Record<string, string>, string])[] = [
      [{ PHANTOM_NCCL: '/nowhere/libnccl.so.2' }, 'NCCL: not installed (/nowhere/libnccl.so.2)'],
      [{ PHANTOM_NCCL: 'none' }, 'NCCL: hidden by the environment'],
      [{ PHANTOM_CUDA_PEERS: 'off' }, 'PHANTOM_CUDA_PEERS is off'],
      [{ FAKE_CUDA_DEVICES: '1' }, 'ranks 0 and 1 share a device, which NCCL cannot'],
      [
        { FAKE_NCCL_VERSION: '21801', FAKE_CUDA_RANK: '1' },
        'rank 0 has NCCL 2.21.5, rank 1 NCCL 2.18.1',
      ],
      [
        { FAKE_NCCL_VERSION: '21003', FAKE_CUDA_RANK: '1' },
        'NCCL: LIBRARY is NCCL 2.10.3, older than 2.12 on rank 1',
      ],
    ];
    for (const [variables, why] of isFirst ? INSTEAD : []) {
      it(`goes by way of the host, and says so: ${why}`, async (context) => {
        const { losses, way } = await lossesMpi(mpirun, context, {}, variables);
        assert.equal(
          way,
          `${HOSTS} (${why.replace('LIBRARY', process.env['PHANTOM_NCCL'] ?? '')})`,
        );
        assertGolden('phantom', losses);
      });
    }

    it('allocates nothing in later steps, and waits for its device where a loss is read alone', async (context) => {
      const names = ['cuMemAlloc_v2', 'cuMemHostAlloc', 'cuStreamCreate', 'cuMemcpyDtoHAsync_v2'];
      names.push('cuEventSynchronize');
      const of = async (steps: number) => {
        const folder = path.join(temporaryFolder(context), 'calls');
        mkdirSync(folder);
        const changes = { steps, logEvery: 100, validateEvery: 100 };
        const { code, stderr } = await trainMpi(mpirun, context, changes, {
          FAKE_CUDA_CALLS: folder,
        });
        assert.equal(code, 0, stderr);
        const files = readdirSync(folder).map((name) =>
          readFileSync(path.join(folder, name), 'utf8'),
        );
        assert.equal(files.length, 2);
        const count = (text: string, name: string) =>
          Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
        const waits = files.map((text) => count(text, 'cuStreamSynchronize'));
        // Rank 0 measures its engine first, as often as fits in a time, and waits each time.
        const ofLast = Math.min(...waits);
        return [
          ...names.map((name) => files.reduce((sum, text) => sum + count(text, name), 0)),
          ofLast,
        ];
      };
      const [few, more] = [await of(4), await of(8)];
      const differences = more.map((number, i) => number - (few[i] ?? 0));
      // The loss of each rank and step, and no more.
      assert.deepEqual(differences, [0, 0, 0, 2 * 4, 0, 4]);
    });

    const FAILURES: readonly (readonly [Record<string, string>, RegExp])[] = [
      [
        { FAKE_CUDA_FAIL: 'ncclCommInitRank:0=1' },
        /\[nccl\] ncclCommInitRank ended with 1: unhandled cuda error.*PHANTOM_CUDA_PEERS=off/,
      ],
      [
        { FAKE_CUDA_FAIL: 'ncclCommInitRank:0=1', FAKE_CUDA_RANK: '1' },
        /\[nccl\] ncclCommInitRank ended with 1: unhandled cuda error/,
      ],
      [
        { FAKE_NCCL_GARBLED: '1' },
        /copies between devices bring wrong bytes.*PHANTOM_CUDA_PEERS=off/,
      ],
      [
        { FAKE_NCCL_GARBLED: '2' },
        /copies between devices bring wrong bytes.*PHANTOM_CUDA_PEERS=off/,
      ],
      [{ FAKE_CUDA_FAIL: 'ncclGroupEnd:9=3', FAKE_CUDA_RANK: '1' }, /ncclGroupEnd ended with 3/],
      [
        { FAKE_CUDA_FAIL: 'cuLaunchKernel:99=719', FAKE_CUDA_RANK: '1' },
        /ended with 719: .*lost to this process/,
      ],
      [
        { FAKE_NCCL_DIE: '9', FAKE_CUDA_RANK: '1' },
        /signal 9|rank 1 ended without an error message/,
      ],
    ];
    for (const [variables, message] of FAILURES) {
      it(`ends with the cause: ${Object.entries(variables).join(' ')}`, async (context) => {
        const { code, stderr } = await trainMpi(mpirun, context, {}, variables);
        assert.notEqual(code, 0);
        assert.match(stderr, message);
      });
    }

    it('ends when a device waits longer than ranks may', async (context) => {
      const variables = { FAKE_NCCL_STALL: '9', FAKE_CUDA_RANK: '1' };
      const { code, stderr } = await trainMpi(mpirun, context, { timeout: 3 }, variables);
      assert.notEqual(code, 0);
      assert.match(stderr, /waited \d+\.\d s for its device/);
    });
  });
}
