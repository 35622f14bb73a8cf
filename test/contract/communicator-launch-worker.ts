import { readFileSync } from 'node:fs';
import { ConfigError } from '#src/base/errors.js';
import { Communicator } from '#src/communicators/communicator.js';
import type { RankContext } from '#src/communicators/rank-context.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { sleepMs } from './communicator-contract-data.js';

/** What a rank of a launch under test does; rank 1 is the one that fails. */
const behaviors: Readonly<Record<string, (context: RankContext<string>) => unknown>> = {
  'posts and returns': ({ rank, size, transport, post }) => {
    const sum = new Float32Array([rank]);
    new Communicator(transport).allReduceSum(sum);
    for (let i = 0; i < 50; i++) post({ rank, i });
    return { rank, size, sum: sum[0] };
  },
  'tells its processors': () =>
    /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1],
  'throws a ConfigError': (context) => {
    if (context.rank === 1)
      throw new ConfigError('model.width', '7 columns; needs a multiple of 2');
    return waitForever(context);
  },
  'throws a TypeError': (context) => {
    if (context.rank === 1) throw new TypeError('no such thing');
    return waitForever(context);
  },
  'throws text': (context) => {
    // eslint-disable-next-line no-throw-literal
    if (context.rank === 1) throw 'just text';
    return waitForever(context);
  },
  'throws in a timer': (context) => {
    if (context.rank !== 1) return waitForever(context);
    setTimeout(() => {
      throw new ConfigError('timer', 'threw later');
    }, 20);
    return new Promise(() => {});
  },
  'exits with 0': (context) => {
    if (context.rank === 1) process.exit(0);
    return waitForever(context);
  },
  'never settles': (context) => (context.rank === 1 ? new Promise(() => {}) : waitForever(context)),
  'runs out of memory': (context) => {
    if (context.rank !== 1) return waitForever(context);
    const kept: number[][] = [];
    for (;;) kept.push(Array.from({ length: 10_000 }, () => 1.5));
  },
  'returns what cannot be cloned': (context) =>
    context.rank === 1 ? () => {} : waitForever(context),
  'aborts, then throws something else': (context) => {
    if (context.rank !== 1) return waitForever(context);
    context.transport.abort('the disk is full');
    throw new TypeError('a consequence');
  },
  'ignores the end of the group': (context) => {
    if (context.rank === 1) throw new ConfigError('rank', 'gave up');
    for (;;) sleepMs(1000);
  },
  'keeps a handle open': ({ rank }) => {
    setInterval(() => {}, 1000);
    return rank;
  },
  'waits for ever': (context) => waitForever(context),
  'asks rank 1 to load for long': async (context) => {
    const communicator = new Communicator(context.transport);
    if (context.rank === 0) {
      communicator.barrier();
      throw new ConfigError('rank 0', 'failed while rank 1 loads');
    }
    await context.uninterrupted(() => {
      communicator.barrier();
      // Past the second after which ranks that do not end are terminated.
      sleepMs(1300);
      context.post('loaded');
    });
    for (;;) sleepMs(1000);
  },
  'counts until it is asked to stop': ({ rank, stopRequested, transport, post }) => {
    const communicator = new Communicator(transport);
    const stop = new Float32Array(1);
    let steps = 0;
    while (stop[0] === 0) {
      if (steps === 100 && rank === 0) post('running');
      steps++;
      stop[0] = rank === 0 && stopRequested() ? 1 : 0;
      communicator.broadcast(stop, 0);
    }
    return steps;
  },
};

function waitForever({ transport }: RankContext<string>): never {
  const communicator = new Communicator(transport);
  for (;;) communicator.barrier();
}

await runRank<string>((context) => behaviors[context.data]?.(context));
