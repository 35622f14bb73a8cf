import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train, type TrainSettings } from 'phantom-parallel';
import { CheckpointError, ConfigError } from '#src/base/errors.js';
import { thisProcess } from '#src/base/process-identity.js';
import { checkLock, FolderLock, LOCK_FILE } from '#src/checkpoints/run-lock.js';
import { losses, temporaryFolder } from '../support/files.js';

const SETTINGS: TrainSettings = {
  ...{ data: 'synthetic:teacher?widths=4,8,2', width: 8, depth: 1, blocks: 2, ghosts: 1 },
  ...{ ranks: 1, batch: 4, steps: 40, logEvery: 1 },
  engine: 'wasm',
};
const ELSEWHERE = { ...thisProcess(), host: 'elsewhere', leaseS: 0.3, since: 'then', id: 'other' };

function writeLock(folder: string, record: object): string {
  const file = path.join(folder, LOCK_FILE);
  writeFileSync(file, JSON.stringify(record));
  return file;
}

async function take(folder: string, said: string[] = []): Promise<FolderLock> {
  const lock = new FolderLock();
  await lock.take(folder, (line) => said.push(line));
  return lock;
}

const isHeld = (error: unknown) =>
  error instanceof ConfigError && /is being written by .*wait for its end/.test(error.message);

describe('the lock of a run folder', () => {
  it('is held by one at a time, and leaves nothing', async (context) => {
    const folder = temporaryFolder(context);
    const first = await take(folder);
    await assert.rejects(take(folder), isHeld);
    assert.deepEqual(readdirSync(folder), [LOCK_FILE]);
    first.release();
    assert.deepEqual(readdirSync(folder), []);
    (await take(folder)).release();
  });

  it('is not held by a process that is gone, whoever has its number now', async (context) => {
    const folder = temporaryFolder(context);
    const { pid } = spawnSync(process.execPath, ['--version']);
    const { start: _, ...own } = thisProcess();
    for (const gone of [
      { ...own, pid, start: '1' },
      { ...own, start: '1' },
    ]) {
      writeLock(folder, { ...gone, id: 'gone', leaseS: 1e6, since: 'then' });
      const said: string[] = [];
      (await take(folder, said)).release();
      assert.deepEqual(said, []);
    }
  });

  it('of another machine is stale when it was not renewed for its lease', async (context) => {
    const folder = temporaryFolder(context);
    const file = writeLock(folder, { ...ELSEWHERE, leaseS: 60 });
    utimesSync(file, new Date(), new Date(Date.now() - 61_000));
    (await take(folder)).release();
    writeLock(folder, { ...ELSEWHERE, leaseS: 1.5 });
    const said: string[] = [];
    (await take(folder, said)).release();
    assert.match(
      said.join(),
      /^waiting 2 s .* process \d+ on elsewhere \(since then\) still writes/,
    );
    // What no version of this writes counts for a time too.
    utimesSync(writeLock(folder, []), new Date(), new Date(Date.now() - 61_000));
    (await take(folder)).release();
  });

  it('of another machine is held while it is renewed', async (context) => {
    const folder = temporaryFolder(context);
    writeLock(folder, { ...ELSEWHERE, leaseS: 60 });
    const renewal = setInterval(() => writeLock(folder, { ...ELSEWHERE, leaseS: 60 }), 50);
    await assert.rejects(take(folder), isHeld);
    clearInterval(renewal);
  });

  it('goes to one of many that find it stale', async (context) => {
    const folder = temporaryFolder(context);
    writeLock(folder, ELSEWHERE);
    const takes = await Promise.allSettled(Array.from({ length: 8 }, () => take(folder)));
    const won = takes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.equal(won.length, 1);
    assert.ok(won[0]?.isHeld());
    won[0]?.release();
    assert.deepEqual(readdirSync(folder), []);
  });

  it('says that it was lost', async (context) => {
    const folder = temporaryFolder(context);
    const lock = new FolderLock();
    const taken = await lock.take(folder, () => {});
    checkLock(taken);
    writeLock(folder, ELSEWHERE);
    assert.throws(() => checkLock(taken), /was taken over by process \d+ on elsewhere/);
    lock.release();
    assert.equal(JSON.parse(readFileSync(path.join(folder, LOCK_FILE), 'utf8')).id, 'other');
  });
});

describe('two runs in one folder', () => {
  it('started at once: one of them trains, the other says why not', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const runs = await Promise.allSettled([1, 2].map(() => train({ ...SETTINGS, out })));
    const failed = runs.filter((run) => run.status === 'rejected');
    assert.equal(failed.length, 1);
    assert.ok(isHeld(failed[0]?.reason), String(failed[0]?.reason));
    assert.equal(losses(out).length, 40);
    assert.deepEqual(readdirSync(out).toSorted(), ['checkpoints', 'config.json', 'metrics.jsonl']);
  });

  it('of which one goes on while the other runs: that one is not disturbed', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const others: Promise<unknown>[] = [];
    const onEvent = ({ type }: { type: string }) => {
      if (type !== 'step' || others.length > 0) return;
      for (const resume of [out, 'auto']) {
        const settings = resume === 'auto' ? { ...SETTINGS, out } : { steps: 60 };
        const other = assert.rejects(train(settings, { resume }), isHeld);
        others.push(other);
      }
    };
    const end = await train({ ...SETTINGS, steps: 400, checkpointEvery: 100, out }, { onEvent });
    assert.equal(others.length, 2);
    await Promise.all(others);
    assert.equal(end.step, 400);
    assert.equal(losses(out).length, 400);
  });
});

describe('a run whose folder', () => {
  const ends = async (out: string, meddle: () => void, message: RegExp) => {
    let done = false;
    const onEvent = ({ type }: { type: string }) => {
      if (type !== 'step' || done) return;
      done = true;
      meddle();
    };
    const settings = { ...SETTINGS, steps: 100_000, checkpointEvery: 50, keepCheckpoints: 2, out };
    await assert.rejects(train(settings, { onEvent }), (error: Error) => {
      assert.ok(error instanceof CheckpointError, String(error));
      assert.match(error.message, message);
      return true;
    });
  };

  it('is removed ends with that cause, and makes none without a config', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const remove = () => rmSync(out, { recursive: true, maxRetries: 5 });
    await ends(out, remove, /run.lock was removed while a run wrote there; this run ends/);
    assert.ok(!existsSync(out));
  });

  it('is taken over ends with that cause, and leaves it alone', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await ends(out, () => writeLock(out, ELSEWHERE), /taken over by process \d+ on elsewhere/);
    assert.equal(JSON.parse(readFileSync(path.join(out, LOCK_FILE), 'utf8')).id, 'other');
    assert.ok(existsSync(path.join(out, 'config.json')));
  });
});
