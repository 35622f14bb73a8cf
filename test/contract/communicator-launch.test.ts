import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CollectiveError, ConfigError, UnsupportedError } from '#src/base/errors.js';
import { koffiInstalled } from '#src/app/ranks/probes.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';

const module = new URL('./communicator-launch-worker.js', import.meta.url);

function launch(data: string, size = 3) {
  return launchRanks({ size, module, data });
}

/** How `done` rejects, which must not wait for the timeout of collectives. */
async function failure(data: string, size = 3): Promise<Error> {
  const started = performance.now();
  const error: unknown = await launch(data, size).done.then(
    () => assert.fail('did not reject'),
    (reason: unknown) => reason,
  );
  // 2 s, and time for a busy machine to start the workers; a hang lasts until the timeout, 60 s.
  const tookS = (performance.now() - started) / 1000;
  assert.ok(tookS < 45, `took ${tookS} s`);
  assert.ok(error instanceof Error);
  return error;
}

describe('launchRanks', { timeout: 120_000 }, () => {
  test('passes results and messages on, messages in order and first', async () => {
    const seen: number[][] = [[], [], []];
    const { done } = launchRanks({
      size: 3,
      module,
      data: 'posts and returns',
      onMessage: (rank, message) => {
        const { i } = message as { i: number };
        seen[rank]?.push(i);
      },
    });
    assert.deepEqual(
      await done,
      [0, 1, 2].map((rank) => ({ rank, size: 3, sum: 3 })),
    );
    for (const one of seen) assert.deepEqual(one, [...Array(50).keys()]);
  });

  const cannotBind =
    (process.platform !== 'linux' && 'Linux alone binds threads') ||
    (!koffiInstalled() && 'koffi is not installed');

  test('binds the threads that are to be bound, and no other', { skip: cannotBind }, async () => {
    const data = 'tells its processors';
    const [all] = (await launchRanks({ size: 1, module, data }).done) as string[];
    const first = Number(/\d+/.exec(all ?? '')?.[0]);
    const processors = [[first], [first]];
    const bound = await launchRanks({ size: 2, module, data, processors }).done;
    assert.deepEqual(bound, [String(first), String(first)]);
    const [again] = (await launchRanks({ size: 1, module, data }).done) as string[];
    assert.equal(again, all);
  });

  test('goes on unbound where the system refuses, and says so once', async (context) => {
    if (cannotBind !== false) context.skip(cannotBind);
    const data = 'tells its processors';
    const [all] = await launchRanks({ size: 1, module, data }).done;
    const reasons: string[] = [];
    const onUnbound = (reason: string) => reasons.push(reason);
    // No machine has that processor.
    const processors = [[8191], [8191]];
    const found = await launchRanks({ size: 2, module, data, processors, onUnbound }).done;
    assert.deepEqual(found, [all, all]);
    assert.deepEqual(reasons, ['[bind] the system refuses sched_setaffinity']);
  });

  test('rejects with the class and message of what a rank threw', async () => {
    const error = await failure('throws a ConfigError');
    assert.ok(error instanceof ConfigError);
    assert.equal(error.message, '[model.width] 7 columns; needs a multiple of 2');
    assert.equal(error.name, 'ConfigError');
    assert.match(error.stack ?? '', /communicator-launch-worker/);
  });

  test('keeps the name of other errors, and takes what is no error', async () => {
    const error = await failure('throws a TypeError');
    assert.deepEqual([error.name, error.message], ['TypeError', 'no such thing']);
    assert.equal((await failure('throws text')).message, 'a rank threw just text');
  });

  test('rejects when a rank fails outside its code, or exits', async () => {
    const timer = await failure('throws in a timer');
    assert.ok(timer instanceof ConfigError && timer.message === '[timer] threw later');
    for (const [how, code] of [
      ['exits with 0', 0],
      ['never settles', 13],
    ] as const) {
      const error = await failure(how);
      assert.ok(error instanceof CollectiveError);
      assert.match(error.message, new RegExp(`rank 1 ended with exit code ${code} before`));
    }
    assert.match((await failure('returns what cannot be cloned')).message, /could not be cloned/);
  });

  test('rejects when a rank runs out of memory', async () => {
    const started = launchRanks({
      size: 2,
      module,
      data: 'runs out of memory',
      resourceLimits: { maxOldGenerationSizeMb: 16 },
    });
    await assert.rejects(started.done, /memory/i);
  });

  test('prefers what a rank said first to what it threw after', async () => {
    const error = await failure('aborts, then throws something else');
    assert.ok(error instanceof CollectiveError);
    assert.equal(error.message, '[threads] rank 1 ended the group: the disk is full');
    assert.ok(error.cause instanceof Error);
  });

  test('terminates ranks that do not end', async () => {
    const error = await failure('ignores the end of the group', 8);
    assert.equal(error.message, '[rank] gave up');
    assert.deepEqual(await launch('keeps a handle open').done, [0, 1, 2]);
  });

  test('does not terminate a rank while it loads native code', async () => {
    const messages: unknown[] = [];
    const { done } = launchRanks({
      size: 2,
      module,
      data: 'asks rank 1 to load for long',
      onMessage: (_rank, message) => messages.push(message),
    });
    await assert.rejects(done, { message: '[rank 0] failed while rank 1 loads' });
    // The launch may report before a slow rank has loaded; that rank must still get to its end.
    const giveUpAt = Date.now() + 60_000;
    while (messages.length === 0 && Date.now() < giveUpAt) await delay(10);
    assert.deepEqual(messages, ['loaded']);
  });

  test('ends when the coordinator says so, or stops when asked', async () => {
    const waiting = launch('waits for ever');
    setTimeout(() => waiting.abort('the user went home'), 200);
    await assert.rejects(waiting.done, { message: '[threads] the user went home' });

    const counting = launchRanks<number>({
      size: 2,
      module,
      data: 'counts until it is asked to stop',
      onMessage: () => counting.requestStop(),
    });
    const steps = await counting.done;
    assert.ok(steps[0] === steps[1] && (steps[0] ?? 0) > 100);
  });

  test('rejects when a message handler throws, or data cannot be cloned', async () => {
    const handled = launchRanks({
      size: 2,
      module,
      data: 'posts and returns',
      onMessage: () => {
        throw new ConfigError('handler', 'no');
      },
    });
    await assert.rejects(handled.done, ConfigError);
    const cloned = launchRanks({ size: 2, module, data: () => {} });
    await assert.rejects(cloned.done, { name: 'DataCloneError' });
  });

  test('rejects when the worker module cannot be loaded', async () => {
    const missing = new URL('./no-such-module.js', import.meta.url);
    await assert.rejects(launchRanks({ size: 2, module: missing }).done, /no-such-module/);
  });

  test('refuses sizes that no group has', () => {
    for (const size of [0, -1, 1.5, 257]) {
      assert.throws(() => launchRanks({ size, module }), ConfigError);
    }
    assert.throws(() => launchRanks({ size: 2, module, timeoutS: -1 }), ConfigError);
  });

  // Under --input-type, too, which workers would inherit.
  test('leaves nothing behind that keeps the process alive', async () => {
    const code =
      `import { launchRanks } from ${JSON.stringify(import.meta.resolve('#src/communicators/threads/launch-ranks.js'))};` +
      `await launchRanks({ size: 2, module: new URL(${JSON.stringify(module.href)}),` +
      ` data: 'posts and returns' }).done;` +
      `console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      code,
    ]);
    assert.equal(stdout.trim(), '0', 'timers that wait');
  });
});

test('runRank needs a worker that launchRanks started', async () => {
  await assert.rejects(
    runRank(() => {}),
    UnsupportedError,
  );
});
