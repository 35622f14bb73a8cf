import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLauncher, unstartedTasks } from './launcher.js';

test('a launcher is known by what it leaves in the environment', () => {
  assert.equal(findLauncher({}), null);
  assert.deepEqual(
    findLauncher({
      OMPI_COMM_WORLD_RANK: '3',
      OMPI_COMM_WORLD_SIZE: '8',
      OMPI_COMM_WORLD_LOCAL_SIZE: '4',
      OMPI_COMM_WORLD_LOCAL_RANK: '3',
    }),
    {
      name: 'mpirun of Open MPI',
      command: 'mpirun',
      family: 'Open MPI',
      rank: 3,
      size: 8,
      localSize: 4,
      localRank: 3,
      servesMpi: true,
    },
  );
  const hydra = findLauncher({
    PMI_RANK: '0',
    PMI_SIZE: '2',
    MPI_LOCALNRANKS: '2',
    MPI_LOCALRANKID: '0',
  });
  assert.deepEqual(
    [hydra?.name, hydra?.family, hydra?.rank, hydra?.size, hydra?.localSize, hydra?.localRank],
    ['mpirun of MPICH', 'MPICH', 0, 2, 2, 0],
  );
});

test('a Slurm step of several tasks is a job, a batch script or a single task is none', () => {
  const script = { SLURM_JOB_ID: '7', SLURM_PROCID: '0', SLURM_NTASKS: '4' };
  assert.equal(findLauncher(script), null);
  const step = { ...script, SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '4', SLURM_LOCALID: '1' };
  assert.deepEqual([findLauncher(step)?.command, findLauncher(step)?.size], ['srun', 4]);
  // With --mpi=none, and with --mpi=pmix.
  assert.equal(findLauncher(step)?.servesMpi, false);
  assert.equal(findLauncher({ ...step, PMIX_RANK: '0' })?.servesMpi, true);
  assert.equal(findLauncher(step)?.localRank, 1);
  assert.equal(findLauncher({ ...step, SLURM_STEP_NUM_TASKS: '1' }), null);
  const pmi = { ...step, PMI_RANK: '1', PMI_SIZE: '4' };
  assert.deepEqual([findLauncher(pmi)?.name, findLauncher(pmi)?.family], ['srun', 'MPICH']);
});

test('tasks of an allocation that srun has not started are counted', () => {
  const shell = { SLURM_JOB_ID: '7', SLURM_NTASKS: '4' };
  assert.equal(unstartedTasks(shell), 4);
  assert.equal(unstartedTasks({ ...shell, SLURM_NTASKS: '1' }), 0);
  assert.equal(unstartedTasks({}), 0);
  const step = { ...shell, SLURM_PROCID: '0', SLURM_STEP_ID: '0' };
  assert.equal(unstartedTasks(step), 0);
  // The steps of a batch script and of a shell on a node of the allocation.
  for (const id of ['4294967291', '4294967290']) {
    const special = { ...step, SLURM_STEP_ID: id };
    assert.deepEqual([findLauncher(special), unstartedTasks(special)], [null, 4]);
  }
});

test('what is no number is no rank', () => {
  assert.equal(findLauncher({ PMI_RANK: 'x', PMI_SIZE: '2' }), null);
});
