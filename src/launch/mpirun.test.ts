import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Mpirun, mpirunArguments, refusalOf } from './mpirun.js';

const OPEN: Mpirun = { program: 'mpirun', family: 'Open MPI' };
const MPICH: Mpirun = { program: 'mpirun', family: 'MPICH' };
const HOSTS = [
  { name: 'a', slots: 1 },
  { name: 'b', slots: 1 },
];
const ROOT = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };

test('hosts and ranks are passed in the form of each launcher', () => {
  assert.deepEqual(mpirunArguments(MPICH, 2, HOSTS, {}), ['-hosts', 'a:1,b:1', '-n', '2']);
  assert.deepEqual(mpirunArguments(MPICH, 2, null, {}), ['-n', '2']);
  assert.deepEqual(mpirunArguments(OPEN, 2, HOSTS, { ...ROOT, PHANTOM_BLAS: '/lib/blas.so' }), [
    '--host',
    'a:1,b:1',
    '--bind-to',
    'none',
    '-x',
    'PHANTOM_BLAS',
    '-n',
    '2',
  ]);
  const many = mpirunArguments(OPEN, 4096, null, ROOT);
  assert.deepEqual(many.slice(0, 3), ['--oversubscribe', '--bind-to', 'none']);
  assert.ok(many.includes('mpi_yield_when_idle'));
});

test('that Open MPI refuses root is reported with the remedy', () => {
  assert.match(refusalOf(OPEN, {}, 0) ?? '', /OMPI_ALLOW_RUN_AS_ROOT=1 and .*_CONFIRM=1/);
  assert.equal(refusalOf(OPEN, {}, 1000), null);
  assert.equal(refusalOf(OPEN, ROOT, 0), null);
  assert.equal(refusalOf(MPICH, {}, 0), null);
});
