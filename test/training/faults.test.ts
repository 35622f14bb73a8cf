import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { train } from '#src/app/train/train.js';
import {
  CheckpointError,
  CollectiveError,
  ConfigError,
  TrainingError,
  UnsupportedError,
} from '#src/base/errors.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import { writeSafetensors } from '#src/data/safetensors.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { temporaryFolder } from '../support/files.js';

const SETTINGS: Partial<TrainingSettings> = {
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: 3,
  ranks: 2,
  engine: 'wasm',
  data: 'synthetic:teacher?widths=784,16,10&labels=argmax&validation=20',
  batch: 20,
  steps: 10,
  logEvery: 1,
};

describe('what goes wrong', () => {
  it('a loss that is not finite stops with the step and the tensor', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await assert.rejects(
      train({ ...SETTINGS, optimizer: 'sgd', lr: 1e30, out }),
      (error: Error) => {
        assert.ok(error instanceof TrainingError, String(error));
        assert.match(error.message, /loss of step 2 is .*(weights|output of)/);
        return true;
      },
    );
    assert.deepEqual(readdirSync(path.join(out, 'checkpoints')), ['step-00000000']);
  });

  it('where activations are made again, the tensor is one of those that are kept', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const again = { ...SETTINGS, ranks: 1, depth: 5, recompute: 1, steps: 3 };
    await assert.rejects(train({ ...again, optimizer: 'sgd', lr: 1e30, out }), {
      message:
        /the first tensor kept that is not finite is the (weights|output of layers\.\d\.\w+)/,
    });
  });

  it('a network that does not fit a rank is refused with the sizes', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const big = { ...SETTINGS, width: 65_536, ghosts: 64, blocks: 4, out };
    await assert.rejects(train(big), (error: Error) => {
      assert.ok(error instanceof UnsupportedError);
      assert.match(error.message, /a rank needs \d+\.\d+ GiB .* can address (3\.9|4\.0)/);
      return true;
    });
    assert.ok(!existsSync(out));
  });

  it('sizes that do not fit leave nothing behind', async (context) => {
    const folder = temporaryFolder(context);
    const out = path.join(folder, 'run');
    await assert.rejects(train({ ...SETTINGS, ghosts: 9, out }), ConfigError);
    await assert.rejects(train({ ...SETTINGS, ranks: 3, out }), /ranks that fit: 1, 2, 4/);
    await assert.rejects(train({ ...SETTINGS, ends: 'sharded', out }), /784 features/);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('a run folder is not written over', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    await train({ ...SETTINGS, ranks: 1, steps: 1, out });
    await assert.rejects(train({ ...SETTINGS, out }), /already holds a run/);
    // One that was killed before its first checkpoint is nothing to keep.
    for (const name of readdirSync(path.join(out, 'checkpoints'))) {
      rmSync(path.join(out, 'checkpoints', name), { recursive: true });
    }
    const end = await train({ ...SETTINGS, ranks: 1, steps: 1, out });
    assert.equal(end.step, 1);
  });

  it('data that is not finite is refused before a step', async (context) => {
    const folder = temporaryFolder(context);
    const file = path.join(folder, 'data.safetensors');
    const x = new Float32Array(40).fill(1);
    x[7] = Number.NaN;
    writeSafetensors(file, [
      { name: 'x', dtype: 'F32', shape: [10, 4], data: x },
      { name: 'y', dtype: 'F32', shape: [10, 1], data: new Float32Array(10) },
    ]);
    await assert.rejects(
      train({ ...SETTINGS, data: file, out: path.join(folder, 'run') }),
      /x.*row/,
    );
  });

  const root = process.getuid?.() === 0;
  it('a folder that cannot be written', { skip: root && 'root may write anywhere' }, async (c) => {
    const folder = temporaryFolder(c);
    chmodSync(folder, 0o500);
    await assert.rejects(train({ ...SETTINGS, out: path.join(folder, 'run') }), /set --out/);
    chmodSync(folder, 0o700);
  });

  it('settings that a program gets wrong', async (context) => {
    const out = path.join(temporaryFolder(context), 'run');
    const wrong: [object, RegExp][] = [
      [{ widht: 32 }, /widht.*width/],
      [{ optimizer: 'rmsprop' }, /rmsprop/],
      [{ logEvery: 0 }, /logEvery/],
      [{ lr: Number.NaN }, /lr/],
      [{ seed: -1 }, /seed/],
      [{ replicas: 200, ranks: 2 }, /256 worker threads/],
    ];
    for (const [settings, message] of wrong) {
      await assert.rejects(train({ ...SETTINGS, ...settings, out }), (error: Error) => {
        assert.ok(error instanceof ConfigError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.ok(!existsSync(out));
  });

  it('a folder inside a file', async (context) => {
    const file = path.join(temporaryFolder(context), 'file');
    writeFileSync(file, '');
    await assert.rejects(train({ ...SETTINGS, out: path.join(file, 'run') }), /set --out/);
  });

  it('a disk that fills up while a run is resumed leaves it as it was', async (context) => {
    const folder = path.join(temporaryFolder(context), 'disk');
    mkdirSync(folder);
    const mount = ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder];
    if (!root || spawnSync('mount', mount).status !== 0) {
      context.skip('a small file system cannot be mounted here');
      return;
    }
    try {
      const out = path.join(folder, 'run');
      await train({ ...SETTINGS, ranks: 1, steps: 2, optimizer: 'sgd', out });
      for (const freeKb of [4, 12, 40]) {
        const filler = path.join(folder, 'filler');
        writeFileSync(filler, '');
        const { bavail, bsize } = statfsSync(folder);
        writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - freeKb * 1024)));
        await assert.rejects(train({ steps: 60 }, { resume: out }), /ENOSPC/);
        rmSync(filler);
        JSON.parse(readFileSync(path.join(out, 'config.json'), 'utf8'));
        for (const line of readFileSync(path.join(out, 'metrics.jsonl'), 'utf8')
          .trimEnd()
          .split('\n')) {
          JSON.parse(line);
        }
      }
      await train({ steps: 3 }, { resume: out });
    } finally {
      spawnSync('umount', ['--lazy', folder]);
    }
  });

  it('a full disk ends the run; the earlier checkpoint is whole', async (context) => {
    const folder = path.join(temporaryFolder(context), 'disk');
    mkdirSync(folder);
    // Room for two checkpoints of this network, not for the third.
    const mount = ['-t', 'tmpfs', '-o', 'size=640k', 'tmpfs', folder];
    const mounted = root && spawnSync('mount', mount).status === 0;
    if (!mounted) {
      context.skip('a small file system cannot be mounted here');
      return;
    }
    try {
      const out = path.join(folder, 'run');
      await assert.rejects(
        train({ ...SETTINGS, checkpointEvery: 1, optimizer: 'adam', out }),
        (error: Error) => {
          assert.ok(error instanceof CheckpointError, String(error));
          assert.match(error.message, /ENOSPC.*earlier checkpoints are intact/);
          return true;
        },
      );
      const left = readdirSync(path.join(out, 'checkpoints'));
      assert.ok(left.length >= 1 && left.every((name) => /^step-\d{8}$/.test(name)), left.join());
    } finally {
      spawnSync('umount', ['--lazy', folder]);
    }
  });

  it('a rank that cannot write its part is the cause on every rank', async (context) => {
    const folder = path.join(temporaryFolder(context), 'disk');
    mkdirSync(folder);
    const mount = ['-t', 'tmpfs', '-o', 'size=640k', 'tmpfs', folder];
    if (!root || spawnSync('mount', mount).status !== 0) {
      context.skip('a small file system cannot be mounted here');
      return;
    }
    try {
      const module = new URL('saving-rank.js', import.meta.url);
      const save = async (elements: number[]) =>
        launchRanks({ size: 4, module, data: { folder, elements }, timeoutS: 30 }).done;
      const whole = await save([1, 1, 1, 1]);
      assert.deepEqual(whole, Array(4).fill(path.join(folder, 'step-00000001')));
      const [first, ...others] = await save([1, 1, 1 << 18, 1]);
      assert.match(String(first), /cannot write a checkpoint .*ENOSPC.*earlier .* are intact/);
      assert.deepEqual(others, Array(3).fill(first));
      assert.deepEqual(readdirSync(folder), ['step-00000001']);
    } finally {
      spawnSync('umount', ['--lazy', folder]);
    }
  });

  for (const how of ['throw', 'exit', 'out of memory'] as const) {
    it(`a rank that ends by ${how} ends the others with its cause`, async () => {
      const module = new URL('dying-rank.js', import.meta.url);
      const resourceLimits = { maxOldGenerationSizeMb: 32 };
      const { done } = launchRanks({ size: 3, module, data: how, timeoutS: 30, resourceLimits });
      const began = performance.now();
      await assert.rejects(done, (error: Error) => {
        const expected = {
          throw: /out of ghosts/,
          exit: /rank 1 .*exit code 7/,
          'out of memory': /rank 1 .*memory/i,
        }[how];
        assert.match(error.message, expected);
        if (how !== 'throw') assert.ok(error instanceof CollectiveError);
        return true;
      });
      // Generous: the time-out of 30 s must not be what ends it.
      assert.ok(performance.now() - began < 25_000);
    });
  }
});
