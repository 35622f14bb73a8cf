// Answers of networks with the CUDA engine on the stand-in for CUDA's libraries, and what is left of their memory.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';

import { evaluate } from '#src/app/evaluate/evaluate-run.js';
import { predict } from '#src/app/infer/predict.js';
import { serve } from '#src/app/infer/serve.js';
import { train } from '#src/app/train/train.js';

import { reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { temporaryFolder } from '../support/files.js';
import { resume } from '../support/resume.js';
import { madeByFakeCuda, settings, STEPS, withFakeCuda } from './training-runs.js';

const skip = reasonToSkipFakeCuda();

describe('answers by CUDA devices', { skip: skip ?? false }, () => {
  if (skip === null) withFakeCuda();

  it('are those of other engines, and leave no memory behind', async (context) => {
    const folder = temporaryFolder(context);
    const run = path.join(folder, 'run');
    await train(settings(run, { ranks: 2, steps: STEPS / 2, validateEvery: STEPS / 2 }));
    assert.equal(await madeByFakeCuda(), 0, 'training');
    const server = await serve({
      models: [run],
      ...{ engine: 'cuda', ranks: 2, port: 0, checkpoint: 'last' },
    });
    context.after(() => server.close());
    const version = async () => {
      const { model_name: name, ...rest } = (await ask(`${server.url}/v2/models/run/infer`)) as {
        model_name: string;
        model_version: string;
        outputs: [{ data: number[] }];
      };
      assert.equal(name, 'run');
      return [Number(rest.model_version), rest.outputs[0].data] as const;
    };
    const [before] = await version();
    const held = await madeByFakeCuda();
    await resume(run, { steps: STEPS });
    await server.reload();
    const [after, answers] = await version();
    assert.deepEqual([before, after], [STEPS / 2, STEPS]);
    assert.equal(await madeByFakeCuda(), held, 'one network, as before the reload');
    await server.close();
    assert.equal(await madeByFakeCuda(), 0, 'serving');

    const common = { model: run, checkpoint: 'last', ranks: 1 } as const;
    const found = await evaluate({ ...common, engine: 'cuda' });
    const expected = await evaluate({ ...common, engine: 'wasm' });
    assert.ok(Math.abs(found.loss - expected.loss) < 1e-5 * expected.loss);
    assert.equal(await madeByFakeCuda(), 0, 'evaluation');

    const outputs = async (engine: 'cuda' | 'wasm') => {
      const out = path.join(folder, `${engine}.jsonl`);
      await predict({
        ...common,
        engine,
        data: 'fashion-10k',
        what: 'outputs',
        out,
        meter: 'none',
      });
      const numbers = readFileSync(out, 'utf8').match(/-?\d+\.\d+(e-?\d+)?/g) ?? [];
      return numbers.map(Number);
    };
    const near = await outputs('wasm');
    const own = await outputs('cuda');
    assert.ok(own.length > 1000);
    assert.equal(own.length, near.length);
    for (const [i, value] of own.entries()) assert.ok(Math.abs(value - (near[i] ?? NaN)) < 1e-4);
    assert.equal(await madeByFakeCuda(), 0, 'predictions');
    assert.equal(answers.length, 10);
  });
});

async function ask(url: string): Promise<unknown> {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 784], data: Array(784).fill(0.5) }];
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}
