import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from './failure.js';
import { flagArguments, flagLike, givenSettings, readFlags, settingsIn } from './flags.js';

const settingsOf = (typed: Readonly<Record<string, string | boolean>>) =>
  givenSettings(typed).settings;

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error.message;
  }
  return assert.fail('nothing was thrown');
}

test('flags are read by what their setting is', () => {
  const settings = settingsOf({
    lr: '3e-4',
    width: '64',
    shuffle: false,
    data: '12',
    validation: '0.25',
    clipNorm: 'none',
    out: 'none',
    layerGhosts: '3,8',
  });
  assert.deepEqual(settings, {
    lr: 3e-4,
    width: 64,
    shuffle: false,
    data: '12',
    validation: 0.25,
    clipNorm: null,
    out: 'none',
    layerGhosts: [3, 8],
  });
  assert.equal(settingsOf({ validation: 'part.csv' }).validation, 'part.csv');
  assert.deepEqual(settingsOf({ layerGhosts: 'none' }), { layerGhosts: null });
  assert.deepEqual(settingsOf({ norm: 'none' }), { norm: 'none' }, 'a choice of its own');
  assert.deepEqual(settingsOf({ json: true }), {}, 'what is no setting is left out');
});

test('flags that are no numbers, or outside their range, are named as they were typed', () => {
  const text = messageOf(() => settingsOf({ width: '0x10', weightDecay: '-1', validation: '2' }));
  assert.deepEqual(text.split('\n').toSorted(), [
    '[flags] --validation is 2; needs a fraction of at least 0 and below 1, as 0.2 or 20%, or a path',
    '[flags] --weight-decay is -1; needs a number of at least 0',
    '[flags] --width is "0x10"; needs an integer from 1 to 1048576',
  ]);
  for (const list of ['', '3,', '3;8']) {
    assert.match(
      messageOf(() => settingsOf({ layerGhosts: list })),
      /--layer-ghosts is/,
    );
  }
  assert.match(
    messageOf(() => settingsOf({ activation: 'rleu' })),
    /needs one of relu, .*; did you mean relu\?$/,
  );
});

const FLAGS = {
  out: { kind: 'text', about: '', initial: null, required: true },
  budget: {
    kind: 'number',
    about: '',
    initial: null,
    least: 0,
    above: true,
    units: { '': 1, MB: 1e6 },
  },
  rates: { kind: 'numbers', about: '', initial: [1e-3], least: 0, above: true },
  sweep: { kind: 'integers', about: '', initial: null, least: 1, most: 9, bare: true },
  level: { kind: 'choice', about: '', initial: 'info', choices: ['info', 'warn'] },
} as const;

test('a command has its flags with their defaults, and those without are null', () => {
  assert.deepEqual(readFlags(FLAGS, { out: 'a' }), {
    out: 'a',
    budget: null,
    rates: [1e-3],
    sweep: null,
    level: 'info',
  });
  const given = { out: 'a', budget: '4MB', rates: '0.1,2', sweep: true, level: 'warn' };
  const { budget, rates, sweep, level } = readFlags(FLAGS, given);
  assert.deepEqual([budget, rates, sweep, level], [4e6, [0.1, 2], true, 'warn']);
  assert.deepEqual(readFlags(FLAGS, { out: 'a', sweep: '2,8', budget: '7' }).sweep, [2, 8]);
});

test('every problem of a command line is named', () => {
  const wrong = { budget: '4XB', rates: '0,1', sweep: '2,10', level: 'wran' };
  assert.deepEqual(messageOf(() => readFlags(FLAGS, wrong)).split('\n'), [
    '[flags] --out is missing; see --help',
    '[flags] --budget is "4XB"; needs a number above 0, alone or with MB',
    '[flags] --rates is [0,1]; needs a list of numbers above 0, as in 1e-3,3e-3',
    '[flags] --sweep is [2,10]; needs a list of integers from 1 to 9, as in 4,16',
    '[flags] --level is "wran"; needs one of info, warn; did you mean warn?',
  ]);
});

test('typed flags stand on a command line as they were read from it', () => {
  const typed = { width: '8', shuffle: false, nestedGhosts: true, json: true };
  assert.deepEqual(flagArguments(settingsIn(typed)), [
    '--width=8',
    '--no-shuffle',
    '--nested-ghosts',
  ]);
});

test('a flag like another keeps what is not changed', () => {
  const flag = flagLike({ ...FLAGS.level, group: 'Log' }, { initial: 'warn' });
  assert.deepEqual(flag, { ...FLAGS.level, initial: 'warn' });
});
