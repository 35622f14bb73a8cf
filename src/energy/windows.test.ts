import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeterError } from '../base/errors.js';
import { counterSource } from './counter.js';
import type { EnergySource } from './meter.js';
import { WindowMeter } from './windows.js';

/** A clock that is set, and sources of constant power beside it. */
function bench(powersW: readonly number[], failsAtS = Number.POSITIVE_INFINITY) {
  let nowS = 100;
  const sources = powersW.map((powerW, i): EnergySource => ({
    name: `source ${i}`,
    obtained: i === 0 ? 'counter' : 'modelled',
    energyJ(atS) {
      if (atS >= failsAtS) throw new MeterError('scripted', 'gone; nothing is known');
      return (atS - 100) * powerW;
    },
  }));
  const pass = (seconds: number) => {
    nowS += seconds;
  };
  const meter = new WindowMeter({
    name: 'x',
    description: '',
    sources,
    clock: () => nowS,
    pause: pass,
  });
  return { meter, pass };
}

test('windows nest, and each sees its own time', () => {
  const { meter, pass } = bench([10, 5]);
  meter.begin('run');
  pass(1);
  meter.begin('step');
  pass(2);
  assert.deepEqual(meter.end('step'), {
    energyJ: 30,
    elapsedS: 2,
    obtained: 'modelled',
    parts: [
      { name: 'source 0', energyJ: 20 },
      { name: 'source 1', energyJ: 10 },
    ],
    gpuJ: null,
    problem: null,
  });
  pass(1);
  assert.equal(meter.read().energyJ, 60);
  assert.equal(meter.end('run').energyJ, 60);
});

test('an end has to name the innermost window', () => {
  const { meter } = bench([1]);
  assert.throws(() => meter.read(), /no window is open/);
  assert.throws(() => meter.end('run'), /none is the innermost open one/);
  meter.begin('run');
  meter.begin('step');
  assert.throws(() => meter.end('run'), /window run was to end, step is the innermost/);
});

test('one source that went wrong makes open and later windows unknown, never zero', () => {
  const { meter, pass } = bench([1, 1], 105);
  meter.begin('early');
  pass(1);
  assert.equal(meter.end('early').energyJ, 2);
  meter.begin('open');
  pass(10);
  const reading = meter.end('open');
  assert.deepEqual([reading.energyJ, reading.obtained, reading.parts], [null, 'unavailable', []]);
  assert.match(reading.problem ?? '', /gone/);
  meter.begin('later');
  pass(1);
  assert.equal(meter.end('later').energyJ, null);
});

test('a counter that stops shortly before the end, of a run or a program, is unknown', () => {
  let nowS = 0;
  const counting = (stopsAtS: number) => {
    nowS = 0;
    const counter = { name: 'package-0', jouleACount: 1e-3, range: null, maximumW: 1000 };
    const read = () => Math.floor(10_000 * Math.min(nowS, stopsAtS));
    return new WindowMeter({
      name: 'rapl',
      description: '',
      sources: [counterSource({ ...counter, read })],
      clock: () => nowS,
      pause: (seconds) => {
        nowS += seconds;
      },
    });
  };
  const endOf = (stopsAtS: number) => {
    const meter = counting(stopsAtS);
    meter.begin('run');
    for (nowS = 1; nowS < 5; nowS++) meter.sample();
    return meter.end('run');
  };
  assert.equal(endOf(Infinity).energyJ, 50);
  for (const stopsAtS of [3.9, 4.5, 4.6, 4.999]) {
    const reading = endOf(stopsAtS);
    assert.deepEqual(
      [reading.energyJ, reading.obtained, reading.elapsedS],
      [null, 'unavailable', 5],
    );
    assert.match(reading.problem ?? '', /package-0.* (has stayed at|has not moved)/);
  }
});

test('what no counter has seen is unknown', () => {
  const { meter } = bench([1]);
  meter.begin('nothing');
  assert.deepEqual(
    [meter.read().energyJ, meter.read().obtained, meter.read().problem],
    [null, 'unavailable', null],
  );
  const none = bench([]).meter;
  assert.equal(none.obtained, 'unavailable');
});
