// Rows by the names of their columns, in a program and over HTTP: the answers are those of `predict`.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type LoadedModel,
  loadModel,
  predict,
  type RunningServer,
  serve,
  train,
} from 'phantom-parallel';
import { temporaryFolder } from '../support/files.js';
import { COLUMNS, csv, HOUSES, KINDS, NETWORK } from '../support/houses.js';
import { call, post, quietLog, rowsOf, inferBody } from '../support/inference-client.js';
import { SERVE_SETTINGS } from '../support/serve-settings.js';

const cleanup: (() => unknown)[] = [];
const folder = temporaryFolder({ after: (work: () => unknown) => cleanup.push(work) });
const runs = { prices: path.join(folder, 'prices'), kinds: path.join(folder, 'kinds') };
/** What `predict` writes for the houses. */
const written: Record<keyof typeof runs, Record<string, unknown>[]> = { prices: [], kinds: [] };

before(async () => {
  const data = path.join(folder, 'houses.csv');
  writeFileSync(data, csv(COLUMNS));
  const settings = { data, ...NETWORK, steps: 10, batch: 32, id: 'id' };
  await train({ ...settings, target: ['price'], out: runs.prices });
  await train({ ...settings, target: ['kind'], out: runs.kinds });
  for (const name of ['prices', 'kinds'] as const) {
    const out = path.join(folder, `${name}.jsonl`);
    await predict({ model: runs[name], data, out, meter: 'none', engine: 'wasm', batch: 64 });
    const lines = readFileSync(out, 'utf8').trim().split('\n');
    written[name] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
});
after(() => cleanup.forEach((work) => work()));

describe('rows by name in a program', () => {
  const answers = async (use: (model: LoadedModel) => Promise<void>, run: string) => {
    const model = await loadModel(run, { ranks: 1, engine: 'wasm', maxBatch: 64 });
    try {
      await use(model);
    } finally {
      await model.close();
    }
  };

  it('are answered as in a file', async () => {
    for (const name of ['prices', 'kinds'] as const) {
      await answers(async (model) => {
        const found = await model.predict(HOUSES.map((house) => ({ ...house })));
        const rounded = written[name].map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([key, value]) => [
              key,
              typeof value === 'number' ? Math.fround(value) : value,
            ]),
          ),
        );
        assert.deepEqual(found, rounded);
      }, runs[name]);
    }
  });

  it('may lack the id and the target, and what is not used is said', async () => {
    await answers(async (model) => {
      const notes: string[] = [];
      const row = { age: '?', sqft: 120, kind: 'castle', color: 'red' };
      const [found] = await model.predict([row], { onWarning: (note) => notes.push(note) });
      assert.deepEqual(Object.keys(found ?? {}), ['price']);
      assert.deepEqual(notes, [
        '1 cell of kind with a category that training did not have, such as "castle"',
        'columns that are not used: color',
      ]);
      await assert.rejects(
        model.predict([{ age: null, kind: 'flat' }]),
        /\[predict\] row 0: no column sqft; the model needs it/,
      );
    }, runs.prices);
  });

  it('whose answer is not finite are an error that names the row', async () => {
    await answers(async (model) => {
      const rows = [1, 3e38].map((sqft) => ({ sqft, age: 1, kind: 'flat' }));
      await assert.rejects(model.predict(rows), /row 1: the answer is (-?Infinity|NaN)/);
    }, runs.prices);
    const data = path.join(folder, 'far.csv');
    writeFileSync(data, `sqft,age,kind\n${'1,1,flat\n'.repeat(70)}3e38,1,flat\n`);
    const out = path.join(folder, 'far-answers.csv');
    const asked = { model: runs.prices, data, out, meter: 'none', engine: 'wasm' } as const;
    await assert.rejects(predict({ ...asked, batch: 64 }), /far\.csv, row 70: the answer is/);
  });
});

describe('rows by name over HTTP', () => {
  let server: RunningServer;
  before(async () => {
    const models = [`prices=${runs.prices}`, `kinds=${runs.kinds}`];
    server = await serve({
      ...SERVE_SETTINGS,
      models,
      maxBodyMib: 1,
      timeoutMs: 60_000,
      log: quietLog,
    });
  });
  after(() => server.close(1000));

  const ask = (model: string, body: unknown) =>
    post(`${server.url}/v2/models/${model}/predict`, body);
  const infer = (model: string, body: unknown, headers: Record<string, string> = {}) =>
    post(`${server.url}/v2/models/${model}/infer`, body, headers);
  const predictions = (json: unknown) => (json as { predictions: unknown[] }).predictions;
  const outputsOf = (json: unknown) =>
    (json as { outputs: { name: string; datatype: string; shape: number[]; data: unknown[] }[] })
      .outputs;
  const columns = (names: readonly (keyof (typeof HOUSES)[number])[], more: object = {}) => ({
    ...more,
    inputs: names.map((name) => ({
      name,
      datatype: name === 'kind' || name === 'id' ? 'BYTES' : 'FP32',
      shape: [HOUSES.length],
      data: HOUSES.map((house) => house[name]),
    })),
  });

  it('are answered as in a file, in both forms of the request', async () => {
    for (const name of ['prices', 'kinds'] as const) {
      for (const body of [{ id: 'a', rows: HOUSES }, HOUSES]) {
        const { status, json } = await ask(name, body);
        assert.equal(status, 200);
        assert.deepEqual(predictions(json), written[name]);
        assert.deepEqual(
          [json?.['model_name'], json?.['id'], json?.['parameters']],
          [
            name,
            'rows' in body ? 'a' : undefined,
            name === 'prices' ? { ghosts: 4 } : { ghosts: 4 },
          ],
        );
      }
    }
  });

  it('have columns that /schema names', async () => {
    const { status, json } = await call(`${server.url}/v2/models/kinds/schema`);
    assert.equal(status, 200);
    const file = path.join(runs.kinds, 'schema.json');
    assert.deepEqual(json, JSON.parse(readFileSync(file, 'utf8')));
  });

  it('go to /predict where there is one model', async () => {
    const refused = await post(`${server.url}/predict`, HOUSES);
    assert.equal(refused.status, 400);
    assert.match(
      refused.text,
      /several models are served, prices, kinds: POST \/v2\/models\/NAME\/predict/,
    );
    const one = await serve({ ...SERVE_SETTINGS, models: [runs.kinds], log: quietLog });
    try {
      const { status, json } = await post(`${one.url}/predict`, { rows: HOUSES });
      assert.equal(status, 200);
      assert.deepEqual(predictions(json), written.kinds);
    } finally {
      await one.close(1000);
    }
  });

  it('may hold more than the model needs, and what is not used is said', async () => {
    const row = { age: '?', sqft: 120, kind: 'castle', color: 'red' };
    const { json } = await ask('prices', { rows: [row] });
    assert.deepEqual(json?.['parameters'], {
      ghosts: 4,
      notes:
        '1 cell of kind with a category that training did not have, such as "castle"; ' +
        'columns that are not used: color',
    });
  });

  it('have an id in their answer where they have one, empty or not, as in a program', async () => {
    const row = { ...HOUSES[0], id: null };
    const { json } = await ask('prices', { rows: [row] });
    assert.deepEqual(predictions(json), [{ id: null, price: written.prices[0]?.['price'] }]);
    const model = await loadModel(runs.prices, { ranks: 1, engine: 'wasm' });
    const [own] = await model.predict([row]);
    await model.close();
    assert.deepEqual(Object.keys(own ?? {}), ['id', 'price']);
  });

  it('are refused with what is wrong', async () => {
    const row = { age: 1, sqft: 2, kind: 'flat' };
    for (const [body, message] of [
      [{ rows: [row, { age: 1 }] }, /row 1: no columns sqft, kind/],
      [{ rows: [row, { ...row, sqft: 'large' }] }, /row 1: column sqft holds "large"/],
      [{ rows: [{ ...row, sqft: [2] }] }, /column sqft holds a list/],
      [{ rows: [row, 5] }, /row 1 is not an object/],
      [{ rows: [row, [row]] }, /row 1 is not an object/],
      [[[row]], /row 0 is not an object/],
      [{ rows: [] }, /no rows/],
      [{ rows: row }, /"rows" must be a list/],
      [{}, /"rows" must be a list/],
      ['7', /the request is 7; needs an object/],
      [{ rows: [row], parameters: { ghosts: 9 } }, /parameters\.ghosts is 9/],
      [{ rows: [row], id: 5 }, /id is not a string/],
      ['{"rows":[{"age":1', /ends too early/],
    ] as const) {
      const { status, json } = await ask('prices', body);
      assert.equal(status, 400);
      assert.match(String(json?.['error']), message);
    }
  });

  it('whose answer is not finite are an error that names the row, and are counted', async () => {
    const rows = [1, 3e38].map((sqft) => ({ sqft, age: 1, kind: 'flat' }));
    const { status, json } = await ask('prices', { rows });
    assert.equal(status, 400);
    assert.match(String(json?.['error']), /row 1: the answer is (-?Infinity|NaN|null)/);
    const x = [0, 0, 0, 0, 0, 0, 3e38, 3e38, 3e38, 3e38, 3e38, 3e38];
    for (const parameters of [{}, { binary_data_output: true }]) {
      const shape = [2, 6];
      const inputs = [{ name: 'x', datatype: 'FP32', shape, data: x }];
      const answer = await infer('prices', { parameters, inputs });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, /row 1: the answer is/);
    }
    const { text } = await call(`${server.url}/metrics`).catch(async () => {
      const response = await fetch(`${server.url}/metrics`);
      return { text: await response.text() };
    });
    assert.match(text, /failures_total\{model="prices",reason="overflow"\} 3/);
  });

  it('are answered a column a tensor, with labels when they are asked for', async () => {
    const wanted = written.prices.map(({ price }) => price);
    const { json, status, text } = await infer('prices', columns(['kind', 'age', 'sqft', 'price']));
    assert.equal(status, 200, text);
    const [y] = outputsOf(json);
    assert.deepEqual([y?.name, y?.shape], ['y', [HOUSES.length, 1]]);
    assert.deepEqual(
      y?.data.map((value) => Math.fround(Number(value))),
      wanted.map((value) => Math.fround(Number(value))),
    );
    const outputs = [{ name: 'label' }, { name: 'y' }];
    const named = await infer('kinds', columns(['age', 'sqft', 'price', 'kind'], { outputs }));
    const [label, logits] = outputsOf(named.json);
    assert.deepEqual([label?.name, label?.datatype, label?.shape], ['label', 'BYTES', [200]]);
    assert.deepEqual(
      label?.data,
      written.kinds.map(({ kind }) => kind),
    );
    assert.deepEqual(logits?.shape, [200, 3]);
  });

  it('are answered a column a binary tensor', async () => {
    const text = (value: string) => {
      const bytes = Buffer.from(value);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const parts = [
      [
        'age',
        'FP32',
        Buffer.from(Float32Array.from(HOUSES, ({ age }) => age ?? Number.NaN).buffer),
      ],
      ['price', 'BYTES', Buffer.concat(HOUSES.map(({ price }) => text(String(price))))],
      ['sqft', 'INT64', Buffer.from(BigInt64Array.from(HOUSES, ({ sqft }) => BigInt(sqft)).buffer)],
    ] as const;
    const request = {
      outputs: [{ name: 'label', parameters: { binary_data: true } }],
      inputs: parts.map(([name, datatype, bytes]) => ({
        ...{ name, datatype, shape: [HOUSES.length, 1] },
        parameters: { binary_data_size: bytes.length },
      })),
    };
    const json = Buffer.from(JSON.stringify(request));
    const send = (body: Uint8Array) =>
      fetch(`${server.url}/v2/models/kinds/infer`, {
        method: 'POST',
        body,
        headers: { 'Inference-Header-Content-Length': String(json.length) },
      });
    const response = await send(Buffer.concat([json, ...parts.map(([, , bytes]) => bytes)]));
    assert.equal(response.status, 200);
    const head = Number(response.headers.get('inference-header-content-length'));
    const found = Buffer.from(await response.arrayBuffer());
    const names: string[] = [];
    for (let at = head; at < found.length;) {
      const end = at + 4 + found.readUInt32LE(at);
      names.push(found.toString('utf8', at + 4, end));
      at = end;
    }
    assert.deepEqual(
      names,
      written.kinds.map(({ kind }) => kind),
    );
    const cut = await send(
      Buffer.concat([json, ...parts.map(([, , bytes]) => bytes)]).subarray(0, -1),
    );
    assert.match(await cut.text(), /sqft: binary_data_size is 1600, and 1599 bytes follow/);
  });

  it('in tensors that are wrong are refused with the element', async () => {
    const tensor = (name: string, datatype: string, data: unknown[]) => ({
      ...{ name, datatype, data },
      shape: [data.length],
    });
    const age = tensor('age', 'FP32', [1, null]);
    const sqft = tensor('sqft', 'INT16', [1, 2]);
    const kind = tensor('kind', 'BYTES', ['flat', null]);
    assert.equal((await infer('prices', { inputs: [age, kind, sqft] })).status, 200);
    for (const [inputs, message] of [
      [[age, kind], /no input is named sqft; give x, or a tensor for every column/],
      [
        [age, kind, tensor('sqft', 'INT8', [1, 300])],
        /sqft\[1\] is 300; INT8 holds integers from -128 to 127/,
      ],
      [[age, kind, tensor('sqft', 'UINT8', [-1, 0])], /sqft\[0\] is -1; UINT8/],
      [[age, kind, tensor('sqft', 'INT32', [1, 1.5])], /sqft\[1\] is 1\.5; INT32/],
      [[age, kind, tensor('sqft', 'FP32', ['a', 'b'])], /sqft\[0\] is "a"; FP32 needs numbers/],
      [[age, kind, tensor('sqft', 'BYTES', ['1', 'b'])], /row 1: column sqft holds "b"/],
      [[age, kind, tensor('sqft', 'BOOL', [1, 2])], /sqft\[1\] is 2; BOOL holds 0 and 1/],
      [[age, kind, tensor('sqft', 'FP32', [1])], /sqft has 1 rows, and age 2/],
      [[age, kind, sqft, sqft], /two inputs have the same name/],
      [[age, kind, { ...sqft, shape: [1, 2] }], /sqft: shape is \[1, 2\]; needs \[rows\]/],
      [
        [tensor('x', 'FP32', [1, null, 2, 3, 4, 5])].map((x) => ({ ...x, shape: [1, 6] })),
        /x\[0, 1\] is null/,
      ],
    ] as const) {
      const { status, json } = await infer('prices', { inputs });
      assert.equal(status, 400);
      assert.match(String(json?.['error']), message);
    }
    const asked = await infer('prices', {
      inputs: [age, kind, sqft],
      outputs: [{ name: 'label' }],
    });
    assert.match(asked.text, /no output is named \\"label\\"; the model has y/);
  });

  it('are what the metadata of a model lists', async () => {
    const { json } = await call(`${server.url}/v2/models/kinds`);
    assert.deepEqual(json?.['inputs'], [
      { name: 'x', datatype: 'FP32', shape: [-1, 4] },
      { name: 'sqft', datatype: 'FP32', shape: [-1] },
      { name: 'age', datatype: 'FP32', shape: [-1] },
      { name: 'price', datatype: 'FP32', shape: [-1] },
    ]);
    assert.deepEqual(json?.['outputs'], [
      { name: 'y', datatype: 'FP32', shape: [-1, KINDS.length] },
      { name: 'label', datatype: 'BYTES', shape: [-1] },
    ]);
  });

  it('cost no more than their bodies: many rows, many columns, long and deep ones', async () => {
    const row = { age: 1, sqft: 2, kind: 'flat' };
    const many = Array.from({ length: 4000 }, () => row);
    const fine = await ask('prices', many);
    assert.equal(fine.status, 200);
    assert.equal(predictions(fine.json).length, many.length);
    const wide = Object.fromEntries(Array.from({ length: 11_000 }, (_, i) => [`c${i}`, 0]));
    for (const [body, message] of [
      [{ rows: [row, { ...row, ...wide }] }, /row 1 and the rest have more than 10048 values and/],
      [{ rows: [{ ...row, more: 'x'.repeat(70_000) }] }, /more than 10048 values and 66304 bytes/],
      [`{"rows":[${'{"a":'.repeat(20)}`, /nested too deep/],
      [{ ...wide, rows: [row] }, /more than 10048 values/],
    ] as const) {
      const { status, json } = await ask('prices', body);
      assert.equal(status, 400);
      assert.match(String(json?.['error']), message);
    }
  });
});

describe('a model without a table', () => {
  it('refuses rows by name', async () => {
    const { trainServedRun } = await import('../support/inference-client.js');
    const run = await trainServedRun(folder);
    const server = await serve({ ...SERVE_SETTINGS, models: [run], log: quietLog });
    try {
      const refused = await post(`${server.url}/predict`, [{ a: 1 }]);
      assert.match(refused.text, /was not trained on a table/);
      const { text } = await post(
        `${server.url}/v2/models/run/infer`,
        inferBody(
          rowsOf(1),
          {},
          {
            datatype: 'INT8',
            data: [...Array.from({ length: 11 }, () => 1), 300],
          },
        ),
      );
      assert.match(text, /x\[0, 11\] is 300; INT8 holds integers from -128 to 127/);
    } finally {
      await server.close(1000);
    }
  });
});
