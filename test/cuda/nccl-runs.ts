// Runs of MPI processes whose devices exchange by NCCL, on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, type TestContext } from 'node:test';

import { train } from '#src/app/train/train.js';
import type { TrainingSettings } from '#src/settings/settings.js';

import { configured, TRAIN } from '../native/mpi-losses.js';
import { losses, readMetrics, temporaryFolder } from '../support/files.js';
import { type Mpirun, PHANTOM, runMpi } from '../support/mpi.js';
import { settings, STEPS, withFakeCuda } from './training-runs.js';

const FEW = {
  engine: 'cuda',
  steps: STEPS,
  validateEvery: STEPS,
  meter: 'none',
  ranks: 2,
} as const;

/** As `withFakeCuda`, with four devices and a folder for their messages, since processes that are killed leave some. */
export function withFakeNccl(): void {
  withFakeCuda();
  const folder = mkdtempSync(path.join(tmpdir(), 'nccl-'));
  const variables = { FAKE_CUDA_DEVICES: '4', FAKE_NCCL_FOLDER: folder };
  Object.assign(process.env, variables);
  after(() => {
    for (const name of Object.keys(variables)) delete process.env[name];
    rmSync(folder, { recursive: true });
  });
}

/** Trains on a process for each rank, each with a device of its own where `variables` say nothing else. */
export async function trainMpi(
  mpirun: Mpirun,
  context: TestContext,
  changes: Partial<TrainingSettings> = {},
  variables: Record<string, string> = {},
) {
  const all = { ...FEW, ...changes };
  const { cwd, out } = configured(context, all);
  const size = all.ranks * (changes.replicas ?? 1);
  const env = { FAKE_CUDA_DEVICES: String(size), ...variables };
  const { code, stderr } = await runMpi(mpirun, size, PHANTOM, TRAIN, { cwd, env });
  return { code, stderr, out };
}

/** The losses of such a run, and how its devices exchange. */
export async function lossesMpi(...parameters: Parameters<typeof trainMpi>) {
  const { code, stderr, out } = await trainMpi(...parameters);
  assert.equal(code, 0, stderr);
  const start = readMetrics(out).find(({ type }) => type === 'start');
  return {
    losses: losses(out),
    way: String(start?.['communicator']).replace(/^\d+ processes, [^,]+/, ''),
  };
}

/** The losses of the same run on threads, by way of the host's memory. */
export async function lossesOfHosts(context: TestContext, changes: Partial<TrainingSettings>) {
  process.env['PHANTOM_CUDA_PEERS'] = 'off';
  try {
    const out = temporaryFolder(context);
    await train(settings(`${out}/hosts`, { ranks: 2, ...changes }));
    return losses(`${out}/hosts`);
  } finally {
    delete process.env['PHANTOM_CUDA_PEERS'];
  }
}
