import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hiddenShare, describeOverlap } from './overlap.js';
import { StepTimes, warmUpSteps } from './step-times.js';

describe('the overlap meter', () => {
  it('takes the share that was not exposed', () => {
    assert.equal(hiddenShare({ postedS: 3, exposedS: 1 }), 0.75);
    assert.equal(hiddenShare({ postedS: 0, exposedS: 0 }), null);
    assert.equal(hiddenShare({ postedS: null, exposedS: 1 }), null);
  });

  it('tells a step that mostly waits, and what it may wait for', () => {
    assert.equal(describeOverlap(0.02, 0.97, 2, 2), '97% hidden, ranks wait 2% of the time');
    assert.match(
      describeOverlap(0.5, 0.1, 2, 2),
      /^not hidden: .* 50% of the time; a larger batch/,
    );
    assert.equal(describeOverlap(0.5, null, 2, 2), 'ranks wait 50% of the time');
    assert.match(describeOverlap(0.5, 0.1, 4, 2), /4 ranks share 2 cores/);
  });

  it('leaves the first steps out of every figure, and half of a short run', () => {
    assert.deepEqual([1, 2, 7, 20, 1000].map(warmUpSteps), [0, 1, 3, 10, 10]);
  });

  it('sums what steps did, and not what was between them', () => {
    const counts = { flops: 0, sentBytes: 0, exposedS: 0 };
    const times = { postedS: 0, exposedS: 0 };
    const idle = { postedS: 0, exposedS: 0 };
    const steps = new StepTimes(
      10,
      {
        flops: () => counts.flops,
        sentBytes: () => counts.sentBytes,
        receivedBytes: () => counts.sentBytes,
        exposedS: () => counts.exposedS,
        besideWork: true,
        collectives: {
          allGather: times,
          allToAll: idle,
          reduceScatter: idle,
          allReduce: idle,
          gradients: idle,
          agreement: idle,
        },
      },
      3,
    );
    for (let step = 0; step < 4; step++) {
      steps.begin();
      counts.flops += 10;
      counts.sentBytes += 3;
      times.postedS += 0.5;
      times.exposedS += 0.25;
      steps.end(0.125);
      counts.flops += 1000; // a validation
      times.exposedS += 7;
    }
    const interval = steps.takeInterval();
    assert.equal(interval.flops, 10);
    assert.equal(interval.sentBytes, 3);
    assert.equal(interval.dataWaitS, 0.125);
    assert.deepEqual(interval.collectives.allGather, { postedS: 0.5, exposedS: 0.25 });
    assert.deepEqual(interval.communication, { postedS: 0.5, exposedS: 0.25 });
    assert.equal(steps.takeInterval().flops, 0);
    assert.equal(steps.steadySteps, 1);
    assert.equal(steps.overallOverlap().hiddenShare, 0.5 / 0.75);
  });
});
