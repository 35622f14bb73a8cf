import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterSource } from './counter.js';
import { compareMeters, metered } from './metered.js';
import type { EnergySource } from './meter.js';
import { type CounterRecording, recordCounter, replayCounter } from './recording.js';
import { WindowMeter } from './windows.js';

/** A meter of constant power on a clock that is set. */
function meterOf(powerW: number, obtained: EnergySource['obtained'], clock: { nowS: number }) {
  const source: EnergySource = { name: obtained, obtained, energyJ: (nowS) => nowS * powerW };
  const pause = (seconds: number) => {
    clock.nowS += seconds;
  };
  const common = { name: obtained, description: '', sources: [source] };
  return new WindowMeter({ ...common, clock: () => clock.nowS, pause });
}

test('a block of code is metered, and a failing one leaves no window open', async () => {
  const clock = { nowS: 0 };
  const meter = meterOf(5, 'counter', clock);
  const { result, reading } = await metered(meter, 'predict', async () => {
    clock.nowS = 3;
    return 'done';
  });
  assert.deepEqual([result, reading.energyJ, reading.elapsedS], ['done', 15, 3]);
  const failing = metered(meter, 'predict', () => {
    throw new RangeError('no');
  });
  await assert.rejects(failing, /no/);
  assert.throws(() => meter.read(), /no window is open/);
});

test('the error of the model is given as a share of what was counted', async () => {
  const clock = { nowS: 0 };
  const work = () => {
    clock.nowS += 10;
  };
  const [counter, model] = [meterOf(40, 'counter', clock), meterOf(50, 'modelled', clock)];
  const { error, counter: counted, modelled } = await compareMeters(counter, model, work);
  assert.deepEqual([error, counted.energyJ, modelled.energyJ], [0.25, 400, 500]);
  await assert.rejects(compareMeters(model, counter, work), /needs a counter and the model/);
  const nothing = await compareMeters(counter, model, () => {});
  assert.equal(nothing.error, null);
});

test('a recorded counter is replayed to the same joules, over its wrap', () => {
  const range = 1_000_000;
  let [nowS, count] = [0, 900_000];
  const clock = () => nowS;
  const counter = { name: 'package-0', jouleACount: 1e-3, range, maximumW: 500, read: () => count };
  const recorded = recordCounter(counter, clock);
  const measure = (of: ReturnType<typeof recordCounter>['counter'], at: () => number) => {
    const source = counterSource(of);
    return () => source.energyJ(at());
  };
  const live = measure(recorded.counter, clock);
  const seen: number[] = [];
  for (; nowS <= 10; nowS++, count = (count + 37_000 * nowS) % range) seen.push(live());

  const recording = JSON.parse(JSON.stringify(recorded.recording)) as CounterRecording;
  const replayed = replayCounter(recording);
  const again = measure(replayed.counter, replayed.clock);
  const joules: number[] = [];
  do joules.push(again());
  while (replayed.next());
  assert.deepEqual(joules, seen);
  assert.ok((seen.at(-1) ?? 0) > 1000, 'it has wrapped');
});
