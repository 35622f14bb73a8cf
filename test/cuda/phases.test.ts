// What a rank's time on a CUDA device goes to, by events on the stand-in for CUDA's libraries.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, describe, it } from 'node:test';

import { train } from '#src/app/train/train.js';
import { PHASE, PHASES } from '#src/base/phases.js';
import { ACTIVITIES, ACTIVITY, StepTrace } from '#src/base/step-trace.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import type { RankTimeline } from '#src/training/step-timeline.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { readMetrics, temporaryFolder } from '../support/files.js';
import { callsOfFakeCuda, settings, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();
const SLOW_S = 1000;

/** From now on each launch of this kernel takes that long by the stand-in's clock. */
function slow(kernel: string): void {
  Object.assign(process.env, { FAKE_CUDA_SLOW: kernel, FAKE_CUDA_KERNEL_S: String(SLOW_S) });
}
function notSlow(): void {
  for (const name of ['FAKE_CUDA_SLOW', 'FAKE_CUDA_KERNEL_S']) delete process.env[name];
}
const pairsOf = (list: readonly number[]) =>
  Array.from({ length: list.length / 2 }, (_, i): [number, number] => [
    list[2 * i] ?? 0,
    list[2 * i + 1] ?? 0,
  ]);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('phases on a CUDA device', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();
  afterEach(notSlow);
  after(notSlow);

  for (const graphs of [false, true]) {
    it(`have the time of their kernels, graphs ${graphs ? 'on' : 'off'}`, async () => {
      const engine = await createCudaEngine({ graphs });
      const clock = engine.phaseClock();
      const [x, slots] = [engine.allocate([3]), engine.slots(1)];
      const step = () => {
        clock.enter(PHASE.local);
        engine.scale(2, x);
        engine.axpy(1, x, x);
        assert.equal(clock.enter(PHASE.optimizer), PHASE.local);
        engine.axpy(1, x, x);
        engine.scale(2, x);
        engine.scale(2, x);
        clock.enter(PHASE.other);
        engine.read(slots);
      };
      for (let i = 0; i < 3; i++) step();
      clock.reset();
      assert.equal(engine.callCounts.replayed > 0, graphs);
      slow('scale');
      step();
      step();
      const timesS = clock.timesS();
      for (const [phase, launches] of [
        [PHASE.local, 2],
        [PHASE.optimizer, 4],
        [PHASE.other, 0],
      ] as const) {
        const off = (timesS[phase] ?? 0) - launches * SLOW_S;
        // Of 32 bits, and the host's pauses.
        assert.ok(off > -1 && off < SLOW_S / 4, `${PHASES[phase]}: ${timesS[phase]} s`);
      }
      clock.reset();
      assert.equal(clock.timesS()[PHASE.local], 0);
      engine.close();
    });
  }

  for (const graphs of [false, true]) {
    it(`make up the timeline of a step, which makes the calls of any other, graphs ${graphs ? 'on' : 'off'}`, async () => {
      const engine = await createCudaEngine({ graphs });
      const clock = engine.phaseClock();
      const [x, slots] = [engine.allocate([3]), engine.slots(1)];
      const work = (launches: number) => {
        for (let i = 0; i < launches; i++) engine.scale(2, x);
      };
      const step = () => {
        clock.beginPass(ACTIVITY.forward);
        clock.enter(PHASE.local);
        work(2);
        // A collective is started, and waited for.
        clock.enter(PHASE.waiting);
        clock.enter(PHASE.local);
        clock.countUnderWay(1);
        work(3);
        clock.enter(PHASE.waiting);
        work(4);
        clock.countUnderWay(-1);
        clock.enter(PHASE.other);
        work(5);
        clock.beginPass(ACTIVITY.backward);
        work(6);
        clock.beginPass(ACTIVITY.other);
        clock.enter(PHASE.optimizer);
        work(7);
        clock.enter(PHASE.other);
        engine.read(slots);
      };
      const calls = await callsOfFakeCuda();
      const names = ['cuGraphLaunch', 'cuLaunchKernel', 'cuEventCreate', 'cuStreamSynchronize'];
      const callsIn = (doing: () => void) => {
        const before = names.map(calls);
        doing();
        return names.map((name, i) => calls(name) - (before[i] ?? 0));
      };
      for (let i = 0; i < 3; i++) step();
      slow('scale');
      const other = callsIn(step);
      const trace = new StepTrace();
      clock.traceTo(trace);
      assert.deepEqual(callsIn(step), other);
      clock.traceTo(null);
      step();
      let began = 0;
      const lengths = trace.segments(160).flatMap(({ activity, hides, end }) => {
        const launches = Math.round((end - began) / 1000 / SLOW_S);
        began = end;
        return launches === 0 ? [] : [[ACTIVITIES[activity], hides, launches]];
      });
      assert.deepEqual(lengths, [
        ['forward', false, 2],
        ['forward', true, 3],
        ['waiting', false, 4],
        ['forward', false, 5],
        ['backward', false, 6],
        ['optimizer', false, 7],
      ]);
      engine.close();
    });
  }

  it('waits for the device no more often than it was waited for', async () => {
    const engine = await createCudaEngine();
    const clock = engine.phaseClock();
    const calls = await callsOfFakeCuda();
    const [x, slots] = [engine.allocate([3]), engine.slots(1)];
    const step = () => {
      for (const phase of [PHASE.data, PHASE.local, PHASE.waiting, PHASE.local]) {
        clock.enter(phase);
        engine.scale(2, x);
      }
      engine.read(slots);
    };
    step();
    const before = ['cuStreamSynchronize', 'cuEventSynchronize', 'cuEventCreate'].map(calls);
    step();
    const done = ['cuStreamSynchronize', 'cuEventSynchronize', 'cuEventCreate'].map(calls);
    assert.deepEqual(
      done.map((count, i) => count - (before[i] ?? 0)),
      [1, 0, 0],
    );
    engine.close();
  });

  it('has the wait for others where the device had nothing to do', async () => {
    const engine = await createCudaEngine();
    const clock = engine.phaseClock();
    const x = engine.allocate([3]);
    const waitingS = () => {
      clock.reset();
      clock.enter(PHASE.local);
      engine.scale(2, x);
      const before = clock.enter(PHASE.waiting);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      clock.enter(before);
      return clock.timesS()[PHASE.waiting] ?? 0;
    };
    assert.ok(waitingS() >= 0.018);
    slow('scale');
    assert.equal(waitingS(), 0);
    engine.close();
  });

  it('has one event where changes have no call between them', async () => {
    const engine = await createCudaEngine({ graphs: false });
    const clock = engine.phaseClock();
    const calls = await callsOfFakeCuda();
    const x = engine.allocate([3]);
    clock.reset();
    const made = calls('cuEventCreate');
    slow('scale');
    for (const phase of [PHASE.local, PHASE.compression, PHASE.optimizer]) clock.enter(phase);
    engine.scale(2, x);
    for (const phase of [PHASE.local, PHASE.other]) clock.enter(phase);
    assert.ok(Math.abs((clock.timesS()[PHASE.optimizer] ?? 0) - SLOW_S) < SLOW_S / 4);
    assert.equal(calls('cuEventCreate') - made, 2);
    engine.close();
  });

  it('looks at its times where there are very many changes, and not before', async () => {
    const engine = await createCudaEngine();
    const clock = engine.phaseClock();
    const calls = await callsOfFakeCuda();
    const x = engine.allocate([3]);
    const [made, waits] = ['cuEventCreate', 'cuStreamSynchronize'].map(calls);
    const change = (count: number) => {
      for (let i = 0; i < count; i++) {
        clock.enter(i % 2 === 0 ? PHASE.local : PHASE.other);
        engine.fill(x, i);
      }
    };
    change(2 ** 16);
    assert.equal(calls('cuStreamSynchronize'), waits);
    change(2);
    assert.equal(calls('cuStreamSynchronize'), (waits ?? 0) + 1);
    slow('scale');
    clock.enter(PHASE.compression);
    engine.scale(2, x);
    assert.ok(Math.abs((clock.timesS()[PHASE.compression] ?? 0) - SLOW_S) < SLOW_S / 4);
    assert.equal(calls('cuEventCreate') - (made ?? 0), 2 ** 16);
    engine.close();
  });

  it('are those of a run, and make up its steps', async (context) => {
    const out = temporaryFolder(context);
    const run = async (name: string) => {
      const steps = { steps: 6, validateEvery: 6, ranks: 2 };
      return train(settings(path.join(out, name), steps));
    };
    const { energy, elapsedS } = await run('plain');
    for (const timesS of energy.rankTimesS) {
      // Of the steady steps, which are half of them.
      assert.ok(sum(timesS) > 0 && sum(timesS) < elapsedS, `${sum(timesS)} of ${elapsedS} s`);
    }
    slow('adam_step');
    const { phases } = (await run('slow')).energy;
    const totalS = sum(PHASES.map((name) => phases[name].timeS));
    assert.ok(phases.optimizer.timeS > 0.99 * totalS, JSON.stringify(phases));
    assert.ok(Math.abs(phases.optimizer.timeS - 3 * SLOW_S) < SLOW_S / 4, JSON.stringify(phases));
    const timelines = (name: string) =>
      readMetrics(path.join(out, name)).flatMap(({ step, timeline }) =>
        timeline === undefined ? [] : [{ step, ranks: timeline as RankTimeline[] }],
      );
    // The 1st and the 2nd of the steady ones.
    assert.deepEqual(
      timelines('plain').map(({ step, ranks }) => [step, ranks.map(({ rank }) => rank)]),
      [
        [4, [0, 1]],
        [5, [0, 1]],
      ],
    );
    for (const rank of timelines('plain').flatMap(({ ranks }) => ranks)) {
      const intervals = ACTIVITIES.flatMap((name) => pairsOf(rank[`${name}Us`]));
      let until = 0;
      for (const [from, to] of intervals.toSorted(([a], [b]) => a - b)) {
        assert.equal(from, until);
        until = to;
      }
      for (const name of ['forward', 'backward', 'waiting'] as const) {
        assert.ok(rank[`${name}Us`].length > 0, name);
      }
    }
    for (const { optimizerUs } of timelines('slow').flatMap(({ ranks }) => ranks)) {
      const optimizerS = sum(pairsOf(optimizerUs).map(([from, to]) => to - from)) / 1e6;
      assert.ok(Math.abs(optimizerS - SLOW_S) < SLOW_S / 4, String(optimizerS));
    }
  });
});
