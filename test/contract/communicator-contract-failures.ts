import assert from 'node:assert/strict';
import { CollectiveError } from '#src/base/errors.js';
import type { Communicator, PendingCollective } from '#src/communicators/communicator.js';
import { sleepMs } from './communicator-contract-data.js';

/** A case that breaks its group, so each has a group of its own. It runs in every rank alike and
 * throws where the contract is not kept. */
export type FailureCase = (communicator: Communicator) => void;

const TIMED = 'a wait that takes too long names who is missing';

/** Timeout of the group that runs a case. Only one case may come near it; a busy machine starts
 * ranks at different times. */
export function failureTimeoutS(name: string): number {
  return name === TIMED ? 1 : 100;
}
/** Far below that, and far above what an abort takes. */
const PROMPT_MS = 50_000;

function failsWith(act: () => void, ...parts: readonly (string | RegExp)[]): void {
  assert.throws(act, (error) => {
    assert.ok(error instanceof CollectiveError, `threw ${String(error)}`);
    for (const part of parts) assert.match(error.message, toPattern(part));
    return true;
  });
}

function toPattern(part: string | RegExp): RegExp {
  return typeof part === 'string' ? new RegExp(part.replace(/[()[\]]/g, '\\$&')) : part;
}

export const failureCases: Readonly<Record<string, FailureCase>> = {
  'an abort ends blocked and later collectives with its cause': (c) => {
    const last = c.size - 1;
    if (c.rank === last) {
      sleepMs(150);
      c.abort('the first cause: Grüße 🚦');
      c.abort('a later cause');
    }
    const started = performance.now();
    failsWith(() => c.allReduceSum(new Float32Array(3)), `rank ${last}`, 'Grüße 🚦');
    assert.ok(performance.now() - started < PROMPT_MS, 'the abort was not prompt');
    failsWith(() => c.barrier(), 'the first cause');
  },

  [TIMED]: (c) => {
    const late = c.size - 1;
    c.barrier();
    if (c.rank === late) sleepMs(1000 * failureTimeoutS(TIMED) + 700);
    const send = new Float32Array(2);
    const gather = (): void => c.allGather(send, new Float32Array(2 * c.size));
    failsWith(gather, '[all-gather]', /waited \d+\.\d s/, `for rank ${late} (of ${c.size})`);
    failsWith(() => c.barrier(), `for rank ${late} `);
  },

  'unequal kinds are named': (c) => {
    const act = (): void => (c.rank === 1 ? c.allReduceSum(new Float64Array(8)) : c.barrier());
    failsWith(act, 'unequal calls', /rank 1 (called )?all-reduce of 8 float64/, 'barrier');
  },

  'unequal element types are named': (c) => {
    const [floats, bytes] = [new Float32Array(8 * c.size), new Uint8Array(8 * c.size)];
    const act = (): void =>
      c.rank === 1 ? c.allToAll(bytes, bytes.slice()) : c.allToAll(floats, floats.slice());
    failsWith(act, 'unequal calls', 'all-to-all of 8 bytes', 'all-to-all of 8 float32');
  },

  'unequal sizes are named': (c) => {
    const buffer = new Float32Array(c.rank === 0 ? 5 : 60_000);
    failsWith(() => c.allReduceSum(buffer), 'unequal calls', 'of 5 float32', 'of 60000 float32');
  },

  'unequal roots are named': (c) => {
    const buffer = new Float32Array(4);
    failsWith(() => c.broadcast(buffer, c.rank === 0 ? 0 : 1), 'from rank 0', 'from rank 1');
  },

  'a rank that has left is not waited for until the timeout': (c) => {
    if (c.rank === 0) {
      c.barrier();
      c.close();
      failsWith(() => c.barrier(), 'left');
      return;
    }
    c.barrier();
    const started = performance.now();
    failsWith(() => c.barrier(), /rank 0, which has left/);
    assert.ok(performance.now() - started < PROMPT_MS, 'took until the timeout');
  },

  'an abort in a part ends all of them': (c) => {
    // Rank 0 is alone, so it must hear of it from another part.
    const part = c.split(c.rank === 0 ? 0 : 1);
    const started = performance.now();
    if (c.rank === c.size - 1) part.abort('stopped in a part');
    failsWith(() => c.allReduceSum(new Float32Array(3)), `rank ${c.size - 1}`, 'stopped in a part');
    failsWith(() => part.barrier(), 'stopped in a part');
    assert.ok(performance.now() - started < PROMPT_MS, 'the abort was not prompt');
  },

  'an abort of the whole ends collectives of its parts': (c) => {
    const part = c.split(c.rank === 0 ? 0 : 1);
    const started = performance.now();
    if (c.rank === c.size - 1) {
      sleepMs(150);
      c.abort('stopped in the whole');
    }
    failsWith(
      () => {
        for (;;) part.allReduceSum(new Float32Array(3));
      },
      `rank ${c.size - 1}`,
      'stopped in the whole',
    );
    assert.ok(performance.now() - started < PROMPT_MS, 'the abort was not prompt');
  },

  'ranks that split while others do something else are named': (c) => {
    const act = (): unknown => (c.rank === 1 ? c.split(1) : c.allReduceSum(new Float64Array(8)));
    failsWith(act, 'unequal calls', 'all-reduce of 8 float64');
  },

  'what is in flight ends with the group': (c) => {
    const one = c.startAllReduceSum(new Float32Array(3));
    const startTwo = (): PendingCollective =>
      c.startAllGather(new Float32Array(30_000), new Float32Array(30_000 * c.size));
    if (c.rank === 0) {
      startTwo();
      one.wait();
      c.abort('stopped between two');
      failsWith(() => c.barrier(), 'stopped between two');
      return;
    }
    // Where it fails depends on when rank 0 gets there.
    failsWith(() => {
      const two = startTwo();
      one.wait();
      two.wait();
      c.barrier();
    }, 'stopped between two');
  },
};
