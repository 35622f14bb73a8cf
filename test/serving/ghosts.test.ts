// Phantom networks answered at fewer ghosts than they were trained with: by the library, the server
// and the commands.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadModel } from '#src/app/infer/load-model.js';
import { predict } from '#src/app/infer/predict.js';
import { serve, type ServeOptions } from '#src/app/infer/serve.js';
import { createEngine } from '#src/app/ranks/engines.js';
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { train } from '#src/app/train/train.js';
import { Tape, Variable } from '#src/autograd/tape.js';
import { ConfigError } from '#src/base/errors.js';
import { loadCheckpoint } from '#src/checkpoints/load-checkpoint.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import { buildNetwork } from '#src/model/network.js';
import { openModel } from '#src/models/model-source.js';
import type { LoadedModel } from '#src/serving/loaded-model.js';
import type { TrainingSettings } from '#src/settings/settings.js';
import { randomStream } from '#src/tensor/random.js';
import { ALL } from '../support/all.js';
import { CommandLine } from '../support/command-line.js';
import { temporaryFolder } from '../support/files.js';
import { SERVE_SETTINGS } from '../support/serve-settings.js';
import { numbersOf } from '../support/numbers.js';

const FEATURES = 12;
const OUTPUTS = 5;
const MOST = 6;
const COMMON: Partial<TrainingSettings> = {
  strategy: 'phantom',
  width: 32,
  depth: 2,
  blocks: 4,
  ghosts: MOST,
  nestedGhosts: true,
  ranks: 2,
  engine: 'wasm',
  data: `synthetic:teacher?widths=${FEATURES},16,${OUTPUTS}`,
  steps: 3,
  batch: 16,
};
const RUNS = {
  nested: {},
  ...(ALL && { int8: { ghostPrecision: 'int8' }, tanh: { ghostActivation: 'tanh' } }),
  plain: { nestedGhosts: false, ranks: 1 },
  tensor: { nestedGhosts: false, strategy: 'tensor', ranks: 1 },
} satisfies Record<string, Partial<TrainingSettings>>;

const cleanup: (() => unknown)[] = [];
let folder = '';
const at = (name: string) => path.join(folder, name);

before(async () => {
  folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
  for (const [name, settings] of Object.entries(RUNS)) {
    await train({ ...COMMON, ...settings, out: at(name) });
  }
});
after(async () => {
  for (const work of cleanup.toReversed()) await work();
});

function rowsOf(rows: number, seed = 0): Float32Array {
  const stream = randomStream(seed, 'rows');
  return Float32Array.from({ length: rows * FEATURES }, (_, i) => stream.normal(i));
}

/** Answers of the network that has `ghosts` of them, read from the checkpoint: [rows, outputs]. */
async function reference(run: string, ghosts: number, x: Float32Array): Promise<Float32Array> {
  const { specification, weights } = openModel(at(run));
  const parts = countedParts(await createEngine('wasm'), new SoloTransport());
  const { engine, communicator } = parts;
  const network = buildNetwork({ ...specification, ghosts }, engine, communicator);
  const nested = { ghosts, trained: MOST };
  loadCheckpoint(
    weights,
    { parameters: network.parameters, optimizerState: null, nested },
    communicator,
  );
  const rows = x.length / FEATURES;
  const input = engine.allocate([FEATURES, rows]);
  for (const i of numbersOf(input).keys()) {
    numbersOf(input)[i] = x[(i % rows) * FEATURES + Math.floor(i / rows)] ?? Number.NaN;
  }
  const { value } = network.forward(new Tape(engine, communicator), new Variable(input, false));
  return Float32Array.from(
    { length: rows * OUTPUTS },
    (_, i) => numbersOf(value)[(i % OUTPUTS) * rows + Math.floor(i / OUTPUTS)] ?? Number.NaN,
  );
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  const size = Math.max(1, ...Array.from(b, Math.abs));
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - (b[i] ?? Number.NaN)))) / size;
}

/** int8 rounds a row of ghosts by its largest of the batch: the batch has to be the reference's. */
for (const run of ALL ? (['nested', 'tanh', 'int8'] as const) : (['nested'] as const)) {
  describe(`a loaded model, ${run}`, () => {
    it('answers as the network of fewer ghosts does, on any ranks', async () => {
      const x = rowsOf(9);
      const bits = new Map<number, Float32Array>();
      for (const ranks of ALL ? [1, 2, 4] : [1, 4]) {
        const model = await loadModel(at(run), { ranks, engine: 'wasm', maxBatch: 9 });
        try {
          assert.deepEqual([model.ghosts, model.mostGhosts], [MOST, MOST]);
          for (const ghosts of [4, 1, MOST, 2, 1]) {
            const y = await model.predict(x, { ghosts });
            assert.ok(distance(y, await reference(run, ghosts, x)) < 2e-6, `${ghosts} ghosts`);
            assert.deepEqual(y, bits.get(ghosts) ?? y, 'the bits depend on R');
            bits.set(ghosts, y);
          }
          assert.deepEqual(await model.predict(x), bits.get(MOST));
        } finally {
          await model.close();
        }
      }
      const [one, two] = [bits.get(1), bits.get(2)];
      assert.ok(one && two && distance(one, two) > 1e-3, 'fewer ghosts answer otherwise');
    });

    it('answers at the number it was loaded with, unless a call says otherwise', async () => {
      const x = rowsOf(9);
      const model = await loadModel(at(run), { ghosts: 2, engine: 'wasm', maxBatch: 9 });
      try {
        assert.deepEqual([model.ghosts, model.mostGhosts], [2, MOST]);
        const [few, all] = await Promise.all([
          model.predict(x),
          model.predict(x, { ghosts: MOST }),
        ]);
        assert.ok(distance(few, await reference(run, 2, x)) < 2e-6);
        assert.ok(distance(all, await reference(run, MOST, x)) < 2e-6);
        assert.deepEqual(await model.predict(x, { ghosts: 2 }), few);
      } finally {
        await model.close();
      }
    });
  });
}

describe('a loaded model', () => {
  it('has the bits of a network that was built with as many ghosts, of two blocks', async () => {
    // With more blocks the products of a network that uses fewer are grouped otherwise.
    await train({ ...COMMON, blocks: 2, ranks: 1, out: at('pair') });
    const x = rowsOf(9);
    for (const ranks of [1, 2]) {
      const model = await loadModel(at('pair'), { ranks, engine: 'wasm', maxBatch: 9 });
      for (const ghosts of [1, 3, 5]) {
        const y = await model.predict(x, { ghosts });
        assert.deepEqual(y, await reference('pair', ghosts, x), `${ghosts} ghosts`);
      }
      await model.close();
    }
  });

  it('refuses ghosts that it does not have, and goes on', async () => {
    for (const ghosts of [0, -1, MOST + 1, 1.5, Number.NaN]) {
      await assert.rejects(loadModel(at('nested'), { ghosts }), (error: Error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, /nested: ghosts \S+; the model takes an integer from 1 to 6$/);
        return true;
      });
    }
    await assert.rejects(loadModel(at('tensor'), { ghosts: 2 }), /the model has no ghosts/);
    const model = await loadModel(at('nested'), { ranks: 1, engine: 'wasm' });
    await assert.rejects(model.predict(rowsOf(1), { ghosts: 7 }), /ghosts 7; .* from 1 to 6/);
    assert.equal((await model.predict(rowsOf(1))).length, OUTPUTS);
    await model.close();
    const tensor = await loadModel(at('tensor'), { ranks: 1, engine: 'wasm' });
    await assert.rejects(tensor.predict(rowsOf(1), { ghosts: 1 }), ConfigError);
    assert.deepEqual([tensor.ghosts, tensor.mostGhosts], [0, 0]);
    await tensor.close();
  });
});

describe('a server', () => {
  const SETTINGS = { ...SERVE_SETTINGS, maxQueue: 4096, timeoutMs: 10_000 };
  const warnings: string[] = [];
  const log = {
    info() {},
    warn: (_fields: object, message: string) => warnings.push(message),
    error() {},
  };

  async function served<T>(
    settings: Partial<ServeOptions>,
    work: (url: string, reload: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const server = await serve({ ...SETTINGS, ...settings, log });
    try {
      return await work(server.url, () => server.reload());
    } finally {
      await server.close(1000);
    }
  }

  async function infer(url: string, run: string, x: Float32Array, parameters?: object) {
    const shape = [x.length / FEATURES, FEATURES];
    const inputs = [{ name: 'x', datatype: 'FP32', shape, data: [...x] }];
    const body = JSON.stringify({ inputs, parameters });
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body };
    const response = await fetch(`${url}/v2/models/${run}/infer`, init);
    return {
      status: response.status,
      json: (await response.json()) as {
        error?: string;
        parameters?: Record<string, unknown>;
        outputs?: { data: number[] }[];
      },
    };
  }

  async function answers(model: LoadedModel, x: Float32Array): Promise<Float32Array[]> {
    return Promise.all(Array.from({ length: MOST }, (_, i) => model.predict(x, { ghosts: i + 1 })));
  }

  for (const maxDelayMs of ALL ? [0, 3] : [0]) {
    it(`answers each of many requests at its own number, rows waiting ${maxDelayMs} ms`, async () => {
      await served({ models: [at('nested')], ranks: 2, maxDelayMs }, async (url) => {
        const model = await loadModel(at('nested'), { ranks: 1, engine: 'wasm' });
        const x = rowsOf(20);
        const expected = await answers(model, x);
        await model.close();
        await Promise.all(
          Array.from({ length: 240 }, async (_, i) => {
            const ghosts = 1 + (i % (MOST + 1));
            // The seventh leaves it to the model.
            const parameters = ghosts > MOST ? undefined : { ghosts };
            const rows = i % 50 === 0 ? 20 : 1 + (i % 5);
            const { json } = await infer(url, 'nested', x.subarray(0, rows * FEATURES), parameters);
            const used = Math.min(ghosts, MOST);
            assert.deepEqual(json.parameters, { ghosts: used });
            const y = json.outputs?.[0]?.data ?? [];
            assert.ok(distance(y, expected[used - 1]?.subarray(0, rows * OUTPUTS) ?? []) < 2e-6);
          }),
        );
        const metrics = await (await fetch(`${url}/metrics`)).text();
        assert.match(metrics, /phantom_requests_total\{model="nested"\} 240/);
        assert.match(metrics, /phantom_queued_rows\{model="nested"\} 0/);
        const rows = /phantom_rows_total\{model="nested"\} (\d+)/.exec(metrics)?.[1];
        assert.match(metrics, new RegExp(`phantom_batch_rows_sum\\{model="nested"\\} ${rows}\\n`));
      });
    });
  }

  it('keeps a lone request from waiting behind a flood of others', async () => {
    await served({ models: [at('nested')], maxDelayMs: 20 }, async (url) => {
      const done = new AbortController();
      const flood = Array.from({ length: 24 }, async () => {
        while (!done.signal.aborted) await infer(url, 'nested', rowsOf(4), { ghosts: MOST });
      });
      for (let i = 0; i < 5; i++) {
        const { status } = await infer(url, 'nested', rowsOf(1), { ghosts: 1 });
        assert.equal(status, 200);
      }
      done.abort();
      await Promise.all(flood);
    });
  });

  it('takes its own number where a request has none, and warns of it once', async () => {
    warnings.splice(0);
    await served({ ghosts: 2, models: [at('nested'), at('plain')] }, async (url, reload) => {
      await reload();
      const x = rowsOf(1);
      for (const run of ['nested', 'plain']) {
        const { json } = await infer(url, run, x);
        assert.deepEqual(json.parameters, { ghosts: 2 });
        assert.ok(distance(json.outputs?.[0]?.data ?? [], await reference(run, 2, x)) < 2e-6);
      }
      const { json } = await infer(url, 'nested', x, { ghosts: 3 });
      assert.deepEqual(json.parameters, { ghosts: 3 });
      await fetch(`${url}/v2/repository/models/plain/load`, { method: 'POST' });
    });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /plain was trained without nested ghosts.* 2 of its 6/);
    const one = { ghosts: 3, models: [at('nested'), at('tensor')] };
    await assert.rejects(
      served(one, () => Promise.resolve()),
      /tensor: ghosts 3; the model has no/,
    );
    await assert.rejects(
      served({ ghosts: 9, models: [at('nested')] }, () => Promise.resolve()),
      ConfigError,
    );
  });

  it('says what is wrong with a number, and which are right', async () => {
    await served({ models: [at('nested'), at('tensor')] }, async (url) => {
      const bad: [unknown, string][] = [
        [0, '0'],
        [7, '7'],
        [1.5, '1.5'],
        [-1, '-1'],
        ['2', '"2"'],
        [true, 'true'],
        [[2], '[2]'],
      ];
      for (const [ghosts, text] of bad) {
        const { status, json } = await infer(url, 'nested', rowsOf(1), { ghosts });
        const error = `parameters.ghosts is ${text}; the model takes an integer from 1 to 6`;
        assert.deepEqual([status, json], [400, { error }]);
      }
      const { status, json } = await infer(url, 'tensor', rowsOf(1), { ghosts: 2 });
      assert.deepEqual(
        [status, json.error],
        [400, 'parameters.ghosts is 2; the model has no ghosts'],
      );
      const plain = await infer(url, 'tensor', rowsOf(1));
      assert.deepEqual([plain.status, 'parameters' in plain.json], [200, false]);
      const metrics = await (await fetch(`${url}/metrics`)).text();
      assert.match(metrics, /failures_total\{model="nested",reason="bad_request"\} 7/);

      const document = await (await fetch(`${url}/openapi.json`)).text();
      const { components } = JSON.parse(document) as {
        components: { schemas: Record<string, { properties: Record<string, unknown> }> };
      };
      for (const name of ['InferRequest', 'InferResponse']) {
        const { parameters } = components.schemas[name]?.properties ?? {};
        const { ghosts } = (parameters as { properties: Record<string, Record<string, unknown>> })
          .properties;
        assert.deepEqual([ghosts?.['type'], ghosts?.['minimum']], ['integer', 1]);
      }
    });
  });
});

describe('the commands', () => {
  let commands: CommandLine;
  before(() => {
    commands = new CommandLine({ after: (work) => cleanup.push(work) }, folder);
  });
  const phantom = (...args: string[]) => commands.run(...args);
  const predictCommand = (run: string, ...args: string[]) =>
    phantom('predict', run, '--data', 'rows.csv', '--out', 'y.csv', '--engine', 'wasm', ...args);

  it('predict answers a file, and warns where ghosts are not nested', async () => {
    const x = rowsOf(3);
    const table = [0, 1, 2].map((row) => x.subarray(row * FEATURES, (row + 1) * FEATURES).join());
    writeFileSync(at('rows.csv'), table.join('\n'));
    const plain = await predictCommand('nested', '--ghosts-at-serving', '2');
    assert.deepEqual([plain.status, plain.stderr], [0, '']);
    assert.match(plain.stdout, /^ghosts +the first 2 of each block$/m);
    const unordered = await predictCommand('plain', '--ghosts-at-serving', '2', '--json');
    assert.equal(unordered.status, 0);
    assert.match(unordered.stderr, /^warning: plain was trained without nested ghosts.*\n$/);
    assert.equal((JSON.parse(unordered.stdout) as { ghosts: number }).ghosts, 2);
    assert.deepEqual((await predictCommand('plain', '--ghosts-at-serving', '6')).stderr, '');
    const request = {
      ...{ model: at('nested'), data: at('rows.csv'), out: at('y.csv'), machine: 'default' },
      ...({ what: 'outputs', engine: 'wasm', ranks: 1, batch: 5, meter: 'none' } as const),
    };
    assert.equal((await predict({ ...request, ghosts: 4 })).ghosts, 4);
    assert.equal((await predict({ ...request, ghosts: null })).ghosts, MOST);
  });

  it('end with one line and exit code 2 for ghosts that there are not', async () => {
    const serving = (run: string, ...args: string[]) =>
      phantom('serve', run, '--port', '0', ...args);
    for (const command of [predictCommand, serving]) {
      for (const [run, value, message] of [
        ['nested', '0', /--ghosts-at-serving is 0; needs an integer of at least 1$/],
        ['nested', '7', /ghosts 7; .* from 1 to 6$/],
        ['nested', '2.5', /--ghosts-at-serving is 2\.5; needs an integer of at least 1$/],
        ['nested', 'few', /--ghosts-at-serving is "few"; needs an integer of at least 1$/],
        ['tensor', '1', /tensor: ghosts 1; the model has no ghosts$/],
      ] as const) {
        const { status, stderr } = await command(run, '--ghosts-at-serving', value);
        assert.equal(status, 2, stderr);
        assert.match(stderr.trimEnd(), message);
        assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
      }
    }
  });
});
