import assert from 'node:assert/strict';
import { test } from 'node:test';
import { causeOf, type JobEnd } from './cause.js';

const END: JobEnd = {
  code: 1,
  signal: null,
  program: 'mpirun of Open MPI',
  error: null,
  stderr: '',
  started: true,
  processes: null,
};
const RULE = '-'.repeat(74);

test('the error that rank 0 reported is the cause; only dead and stuck ranks are started again', () => {
  const of = (name: string, message: string) => causeOf({ ...END, error: { name, message } });
  const stuck = of(
    'CollectiveError',
    '[barrier] rank 2 waited 5.0 s for rank 3 (of 4); look there',
  );
  assert.deepEqual([stuck.rank, stuck.passing], [3, true]);
  const dead = of('CollectiveError', '[threads] rank 1 ended with exit code 7 before its result');
  assert.deepEqual([dead.rank, dead.passing], [1, true]);
  assert.equal(of('TypeError', 'x is not a function').passing, true);
  for (const name of ['ConfigError', 'DataError', 'TrainingError', 'CheckpointError']) {
    assert.equal(of(name, '[x] y').passing, false);
  }
});

test('a death that Open MPI tells has its rank', () => {
  const notice = (text: string) => `rank 1: phantom: says this\n${RULE}\n${text}\n${RULE}\n`;
  const killed = causeOf({
    ...END,
    started: false,
    stderr: notice(
      'mpirun noticed that process rank 2 with PID 0 on node vm exited on signal 9 (Killed).',
    ),
  });
  assert.deepEqual(killed, {
    message: 'rank 2 on vm was killed by signal 9 (Killed)',
    rank: 2,
    passing: true,
    words: ['rank 1: phantom: says this'],
  });
  const code = (number: number, started: boolean) =>
    causeOf({
      ...END,
      started,
      stderr: `${RULE}\n  Process name: [[24334,1],3]\n  Exit code:    ${number}\n${RULE}\n`,
    });
  assert.deepEqual(
    [code(7, true).message, code(7, true).rank],
    ['rank 3 ended with exit code 7', 3],
  );
  assert.deepEqual([code(2, false).passing, code(7, false).passing], [false, true]);
});

test('a death that MPICH alone tells has no rank for certain', () => {
  const stderr =
    '\n=====\n=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   PID 12805 RUNNING AT vm\n' +
    '=   EXIT CODE: 9\n=   CLEANING UP REMAINING PROCESSES\n=====\n' +
    'YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)\n' +
    'This typically refers to a problem with your application.\n';
  const processes = [7, 12805].map((pid) => ({ host: 'vm', pid }));
  const known = causeOf({ ...END, stderr, processes });
  assert.deepEqual(
    [known.message, known.rank, known.words],
    [
      'a process was killed by signal 9 (Killed); MPICH names that of rank 1 on vm, which its ' +
        'clean-up may have killed',
      null,
      [],
    ],
  );
  const line =
    'phantom: rank 0 ended without an error message: process 7, the first of vm to end\n';
  for (const both of [line + stderr, stderr + line]) {
    const watched = causeOf({ ...END, stderr: both, processes });
    assert.deepEqual(
      [watched.message, watched.rank, watched.passing, watched.words],
      ['rank 0 on vm was killed or crashed: it ended first, without an error message', 0, true, []],
    );
  }
  const unknown = causeOf({ ...END, stderr, started: false });
  assert.match(unknown.message, /^a process was killed .*names number 12805 on vm/);
  assert.deepEqual([unknown.rank, unknown.passing], [null, true]);
});

test('a launcher that fails before training is not started again, and its words are kept', () => {
  const stderr = `${RULE}\nORTE was unable to start\n${RULE}\nssh: no such host\n`;
  const failed = causeOf({ ...END, stderr, started: false });
  assert.deepEqual(
    [failed.passing, failed.words.slice(1)],
    [false, ['ORTE was unable to start', RULE, 'ssh: no such host']],
  );
  assert.equal(failed.message, 'mpirun of Open MPI ended with exit code 1');
  const early = causeOf({
    ...END,
    stderr: `${RULE}\n1 process\n${RULE}\n`,
    code: 137,
    started: false,
  });
  assert.deepEqual(
    [early.message, early.rank, early.passing],
    ['mpirun of Open MPI ended with exit code 137', null, true],
  );
  const killed = causeOf({ ...END, code: null, signal: 'SIGKILL', started: false });
  assert.deepEqual(
    [killed.message, killed.passing],
    ['mpirun of Open MPI was killed by SIGKILL', true],
  );
  const told = causeOf({
    ...END,
    stderr: 'rank 3: phantom: [barrier] rank 3 waited 5 s for rank 0 (of 4)\n',
  });
  const message = '[barrier] rank 3 waited 5 s for rank 0 (of 4)';
  assert.deepEqual(told, { message, rank: 0, passing: true, words: [] });
});
