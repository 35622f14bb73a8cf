// Joules of a run whose ranks are processes: a machine's counter is read once, models add up.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EndEvent } from '#src/training/events.js';
import { ALL } from '../support/all.js';
import { readMetrics, temporaryFolder } from '../support/files.js';
import { findMpiruns, PHANTOM, startMpi } from '../support/mpi.js';

/** In place of `test`. */
function noTest(): void {}

const SMALL =
  '--data synthetic:teacher?widths=16,32,4&validation=64 --width 32 --batch 16 --engine wasm';

for (const { mpirun, skip } of findMpiruns()) {
  describe(`energy under ${mpirun.family}`, { skip }, () => {
    const train = (context: TestContext, args: string, env: Record<string, string>) => {
      const out = path.join(temporaryFolder(context), 'run');
      const words = ['train', ...`${SMALL} ${args}`.split(' '), '--out', out];
      return { out, started: startMpi(mpirun, 2, PHANTOM, words, { env }) };
    };

    // How an MPI library starts processes has no part in it; with --all both do.
    const under = (family: string) => (ALL || mpirun.family === family ? test : noTest);
    under('Open MPI')("the machine's counter is read by one of its ranks", async (context) => {
      const root = temporaryFolder(context);
      const zone = path.join(root, 'class/powercap/intel-rapl:0');
      mkdirSync(zone, { recursive: true });
      let countedJ = 1;
      const write = (name: string, text: string) => {
        writeFileSync(path.join(zone, `${name}.new`), text);
        renameSync(path.join(zone, `${name}.new`), path.join(zone, name));
      };
      write('name', 'package-0');
      write('max_energy_range_uj', '262143328850');
      write('energy_uj', '0');
      const { out, started } = train(context, '--steps 200', { PHANTOM_SYSFS: root });
      const state = { ended: false };
      const finished = started.result.finally(() => {
        state.ended = true;
      });
      for (; !state.ended; await sleep(5)) {
        countedJ += 0.1;
        write('energy_uj', String(Math.round(countedJ * 1e6)));
      }
      const result = await finished;
      assert.equal(result.code, 0, result.stderr);
      const { energy } = readMetrics(out).at(-1) as unknown as EndEvent;
      assert.deepEqual([energy.meter, energy.obtained], ['rapl', 'counter']);
      assert.match(energy.description, /everything that runs on this machine$/);
      // Twice as much would be more than there was.
      const joules = energy.energyJ ?? Number.NaN;
      assert.ok(joules > 0 && joules < countedJ, `${joules} of ${countedJ} J`);
      assert.equal(energy.perRankJ.length, 2);
    });

    under('MPICH')('modelled energies of the processes add up', async (context) => {
      const { out, started } = train(context, '--steps 50', { PHANTOM_SYSFS: '/nowhere' });
      const result = await started.result;
      assert.equal(result.code, 0, result.stderr);
      const { energy, elapsedS } = readMetrics(out).at(-1) as unknown as EndEvent;
      assert.equal(energy.obtained, 'modelled');
      assert.match(energy.description, /; the sum of 2 meters$/);
      // Two cores wait for at least as long as one rank's account was open, but for its start.
      assert.ok((energy.energyJ ?? 0) > 2 * 0.74 * elapsedS * 0.5);
    });
  });
}
