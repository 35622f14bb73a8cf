import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compress } from 'phantom-parallel';
import { DataError } from '#src/base/errors.js';
import { openFile } from '#src/data/open-file.js';
import { readMatrix } from '#src/data/readers/matrix.js';
import { readLayout } from '#src/data/readers/npy.js';
import { SafetensorsFile, writeSafetensors } from '#src/data/safetensors.js';
import { openDenseFile } from '#src/models/dense-file.js';
import { linearStack, type StackChoices } from '#src/models/linear-stack.js';
import type { HostTensor } from '#src/tensor/tensor.js';
import { temporaryFolder } from '../support/files.js';

const CASES = fileURLToPath(new URL('../../../test/cases/weights/', import.meta.url));
const COMMON = { activation: 'relu', loss: 'cross-entropy' } as const;

const order = (file: string, choices: StackChoices = {}): string[] => {
  const network = openDenseFile(path.join(CASES, file), { ...COMMON, ...choices });
  try {
    return network.layers.map(({ name }) => name);
  } finally {
    network.close();
  }
};

function npy(file: string): { values: Float32Array; columns: number } {
  const opened = openFile('npy', path.join(CASES, file));
  const layout = readLayout(opened);
  return { values: readMatrix(opened, layout) as Float32Array, columns: layout.columns };
}

/** The outputs of a chain of layers with ReLU between them, in float64. */
function outputs(file: string, x: Float32Array, choices: StackChoices = {}): number[] {
  const network = openDenseFile(path.join(CASES, file), { ...COMMON, ...choices });
  const first = network.layers[0]?.columns ?? 1;
  let rows = Array.from({ length: x.length / first }, (_, r) => [
    ...x.subarray(r * first, (r + 1) * first),
  ]);
  for (const [l, layer] of network.layers.entries()) {
    const data = new Float32Array(layer.rows * layer.columns);
    layer.readWeight({ data } as HostTensor);
    const bias = layer.readBias();
    rows = rows.map((row) =>
      Array.from(bias, (start, i) => {
        const sum = row.reduce(
          (total, value, j) => total + value * data[i * layer.columns + j],
          start,
        );
        return l === network.layers.length - 1 ? sum : Math.max(0, sum);
      }),
    );
  }
  network.close();
  return rows.flat();
}

/** Files that need no choice, and the order of their layers. */
const READ: readonly (readonly [string, string])[] = [
  ...['bf16', 'f16', 'f64', 'meta', 'ok', 'raw-ok', 'zero-size-beside'].map(
    (name) => [`safetensors-odd/${name}`, '0 2 4'] as const,
  ),
  ['prefixes/fc123', 'fc1 fc2 fc3'],
  ['prefixes/input-hidden-output', 'input hidden output'],
  ['prefixes/stem-layers-classifier', 'stem layers.0 classifier'],
  ['prefixes/layers-output', 'layers.0 layers.1 output_layer'],
  ['prefixes/mixed', 'module.0 2 4'],
  ['prefixes/module', 'module.0 module.2 module.4'],
  ['prefixes/orig-mod', '_orig_mod.module.0 _orig_mod.module.2 _orig_mod.module.4'],
  ['norms/batchnorm', '0 3 6'],
  ['norms/bottleneck', '0 2 4 6'],
  ['norms/dropout', '0 3 6'],
  ['norms/mixedbias', '0 2 4'],
  ['norms/nobias', '0 2 4'],
];

/** Files that are refused, and what the message says. */
const REFUSED: readonly (readonly [string, RegExp])[] = [
  [
    'encoder-decoder/ae',
    /not proven by names or shapes; --prefix decoder\. takes .* --layers a,b,c/,
  ],
  ['heads/ema-square', /not proven/],
  ['heads/policy-value', /not proven/],
  ['heads/policy-value-square', /not proven/],
  ['prefixes/both', /not proven .*; --prefix module\. takes one network/],
  ['prefixes/sq-first-second-third', /order of .* is not proven .* --layers a,b,c/],
  ['prefixes/sq-input-hidden-output', /not proven/],
  ['norms/batchnorm-weights-only', /1 is a norm without statistics/],
  ['norms/layernorm', /1 is a norm without statistics/],
  ['norms/embedding', /0 and 1 follow one another with no place for an activation/],
  ['norms/conv', /0\.(weight|bias) is not a weight or bias of a linear layer/],
  ['norms/prelu', /1\.weight is not a weight or bias/],
  ['norms/weightnorm', /parametrizations/],
  ['safetensors-odd/f8-unused', /mask is not a weight or bias .* --layers leave it out/],
  [
    'safetensors-odd/transposed',
    /0\.bias is \[16\], its layer gives 8; weights are \[outputs, inputs\]/,
  ],
];

describe('files of weights that people bring', () => {
  for (const [file, wanted] of READ) {
    it(`${file} is read in the order ${wanted}`, () => {
      assert.equal(order(`${file}.safetensors`).join(' '), wanted);
    });
  }

  for (const [file, wanted] of REFUSED) {
    it(`${file} is refused`, () => {
      assert.throws(
        () => order(`${file}.safetensors`),
        (error) => error instanceof DataError && wanted.test(error.message),
      );
    });
  }

  it('damaged files are refused in a line', () => {
    const damaged = ['dup-key', 'huge-header', 'huge-header2', 'trailing', 'truncated', 'nul-pad'];
    for (const name of [...damaged, 'shape-offsets', 'zero-header', 'torch-renamed']) {
      const file = `safetensors-odd/${name}.safetensors`;
      assert.throws(
        () => order(file),
        (error) => error instanceof DataError && !error.message.includes('\n'),
        name,
      );
    }
  });

  it('--prefix and --layers say what names do not', () => {
    assert.deepEqual(order('heads/policy-value.safetensors', { prefix: 'value_net.' }), [
      'value_net.0',
      'value_net.2',
      'value_net.4',
    ]);
    const layers = ['encoder.0', 'encoder.2', 'decoder.0', 'decoder.2'];
    assert.deepEqual(order('encoder-decoder/ae.safetensors', { layers }), layers);
    assert.deepEqual(order('safetensors-odd/f8-unused.safetensors', { layers: ['0', '2', '4'] }), [
      '0',
      '2',
      '4',
    ]);
    assert.throws(
      () => order('safetensors-odd/ok.safetensors', { prefix: 'x.' }),
      /no tensor begins with x\./,
    );
    assert.throws(
      () => order('safetensors-odd/ok.safetensors', { layers: ['0', '3'] }),
      /3 is not a linear layer/,
    );
  });

  it('--activations says what is between layers that follow one another', async (context) => {
    const file = 'prefixes/layers-output.safetensors';
    const own = order(file);
    const adjacent = path.join(temporaryFolder(context), 'adjacent.safetensors');
    const matrix = (name: string) =>
      ({ name, dtype: 'F32', shape: [4, 4], data: new Float32Array(16).fill(0.1) }) as const;
    writeSafetensors(adjacent, ['0.weight', '1.weight', '3.weight'].map(matrix));
    const read = (choices: StackChoices) =>
      linearStack(new SafetensorsFile(adjacent), choices).map(({ stem }) => stem);
    assert.throws(() => read({}), /0 and 1 follow .* --activations relu,relu$/);
    assert.throws(() => read({ layers: ['0', '1', '3'] }), /0 and 1 follow/);
    assert.deepEqual(read({ activations: ['relu', 'relu'] }), ['0', '1', '3']);
    assert.throws(() => read({ activations: ['relu'] }), /have 2 activations .* lists 1/);
    assert.throws(() => order(file, { activations: own }), /activations between them/);
    const compressed = (activations: string[]) =>
      compress({
        model: adjacent,
        ...{ blocks: 2, choice: { by: 'ghosts', ghosts: 1 }, loss: 'mse', engine: 'wasm' },
        ...{ activations, out: path.join(path.dirname(adjacent), 'model') },
      } as const);
    await assert.rejects(compressed(['none', 'relu']), /two linear layers are one/);
    await assert.rejects(compressed(['relu', 'gelu']), /relu, gelu; a network has the same/);
    await assert.rejects(compressed(['relu', 'rellu']), /rellu is not one of relu/);
    assert.equal((await compressed(['gelu', 'gelu'])).specification.activation, 'gelu');
  });

  it('residual blocks are read by their names, and others refused', (context) => {
    const file = path.join(temporaryFolder(context), 'blocks.safetensors');
    const SHAPES = {
      'net.input': [4, 3],
      'net.blocks.0.gate': [8, 4],
      'net.blocks.0.up': [8, 4],
      'net.blocks.0.down': [4, 8],
      'net.head': [2, 4],
    };
    const blocks = (
      changes: Readonly<Record<string, readonly number[] | null>> = {},
      choices: Partial<Parameters<typeof openDenseFile>[1]> = {},
    ) => {
      const tensors = Object.entries({ ...SHAPES, ...changes }).flatMap(([stem, shape]) => {
        const size = shape?.reduce((a, b) => a * b) ?? 0;
        const data = new Float32Array(size).fill(stem.endsWith('gate') ? 1 : 2);
        return shape ? [{ name: `${stem}.weight`, dtype: 'F32' as const, shape, data }] : [];
      });
      writeSafetensors(file, tensors);
      const network = openDenseFile(file, { ...COMMON, norm: 'rms', ...choices });
      network.close();
      return network;
    };
    const { layers, residual, width, depth, ends } = blocks();
    assert.throws(() => openDenseFile(file, COMMON), /give --norm rms or none/);
    assert.deepEqual(residual, { norm: 'rms', expansion: 2, gated: true });
    assert.deepEqual([width, depth, ends], [4, 1, { kind: 'replicated', inputs: 3, outputs: 2 }]);
    assert.deepEqual(
      layers.map(({ role, place, rows, columns }) => [role, place, rows, columns]),
      [
        ['input', null, 4, 3],
        ['hidden', 'up', 16, 4],
        ['hidden', 'down', 4, 8],
        ['head', null, 2, 4],
      ],
    );
    const without = { 'net.input': null, 'net.head': null };
    assert.deepEqual(blocks(without, { loss: 'mse' }).ends, { kind: 'sharded' });
    const others = { stem: [4, 3], 'body.blocks.0.up': [8, 4], 'body.blocks.0.down': [4, 8] };
    assert.equal(blocks(others, { prefix: 'net.' }).depth, 1);
    for (const [changes, choices, message] of [
      [{}, { activations: ['relu'] }, /--activations with residual blocks; use --activation/],
      [without, {}, /loss cross-entropy of residual blocks without input and head/],
      [{ 'net.head': null }, {}, /no tensor net\.head\.weight/],
      [{ 'net.blocks.0.down': null }, {}, /no tensor net\.blocks\.0\.down\.weight/],
      [{ 'net.blocks.0.up': [8, 5] }, {}, /input\.weight is \[4, 3\].* need \[5, 3\]/],
      [{ 'net.blocks.2.up': [8, 4] }, {}, /no tensor net\.blocks\.1\.gate\.weight/],
      [{ 'net.norm': [4] }, {}, /net\.norm is a norm without statistics/],
      [
        { 'body.blocks.0.up': [8, 4], 'body.blocks.0.down': [4, 8] },
        {},
        /of 2 networks, body\.blocks, net\.blocks; --prefix takes one/,
      ],
      [{ stem: [4, 3] }, {}, /stem\.weight is not a weight or bias/],
      // The ends are not where the blocks are.
      [
        { ...without, input: [4, 3], head: [2, 4] },
        { loss: 'mse' },
        /head\.weight is not a weight/,
      ],
      [
        { 'net.blocks.0.gate': [6, 4], 'net.blocks.0.up': [6, 4], 'net.blocks.0.down': [4, 6] },
        {},
        /6 wide inside; a multiple/,
      ],
    ] as const) {
      assert.throws(() => blocks(changes, choices), message);
    }
    assert.throws(
      () =>
        openDenseFile(path.join(CASES, 'prefixes/fc123.safetensors'), { ...COMMON, norm: 'rms' }),
      /--norm of a chain/,
    );
  });

  it('outputs are those of the program that wrote the file', () => {
    for (const [file, x, want] of [
      ['safetensors-odd/ok', 'safetensors-odd/x', 'safetensors-odd/want'],
      ['norms/dropout', 'norms/x', 'norms/dropout-want'],
      ['norms/mixedbias', 'norms/x', 'norms/mixedbias-want'],
      ['norms/nobias', 'norms/x', 'norms/nobias-want'],
    ] as const) {
      const found = outputs(`${file}.safetensors`, npy(`${x}.npy`).values);
      const wanted = npy(`${want}.npy`).values;
      assert.equal(found.length, wanted.length);
      for (const [i, value] of found.entries()) assert.ok(Math.abs(value - wanted[i]) < 2e-6, file);
    }
  });

  it('a folded batch norm gives what the layers and the norm give', () => {
    const file = new SafetensorsFile(path.join(CASES, 'norms/batchnorm.safetensors'));
    const read = (name: string) => file.readFloat32(name);
    const { values: x, columns } = npy('norms/x.npy');
    let rows = Array.from({ length: x.length / columns }, (_, r) => [
      ...x.subarray(r * columns, (r + 1) * columns),
    ]);
    for (const [linear, norm] of [
      ['0', '1'],
      ['3', '4'],
      ['6', null],
    ] as const) {
      const [weight, bias] = [read(`${linear}.weight`), read(`${linear}.bias`)];
      rows = rows.map((row) =>
        Array.from(bias, (start, i) => {
          const z = row.reduce((sum, value, j) => sum + value * weight[i * row.length + j], start);
          if (norm === null) return z;
          const deviation = Math.sqrt(read(`${norm}.running_var`)[i] + 1e-5);
          const scaled =
            ((z - read(`${norm}.running_mean`)[i]) / deviation) * read(`${norm}.weight`)[i];
          return Math.max(0, scaled + read(`${norm}.bias`)[i]);
        }),
      );
    }
    file.close();
    const found = outputs('norms/batchnorm.safetensors', x);
    for (const [i, value] of rows.flat().entries()) assert.ok(Math.abs(value - found[i]) < 1e-5);
  });

  it('every file has an expectation', () => {
    const files = (readdirSync(CASES, { recursive: true }) as string[]).filter((name) =>
      name.endsWith('.safetensors'),
    );
    const text = readFileSync(
      fileURLToPath(new URL('../../../test/models/weight-cases.test.ts', import.meta.url)),
      'utf8',
    );
    const others = new Set([
      'inf',
      'nan',
      'lead-space',
      'meta-nonstring',
      'meta-null',
      'newline-pad',
      'transposed-square',
      'unaligned',
      'layernorm-noaffine',
      'width18',
    ]);
    for (const file of files) {
      const name = path.basename(file, '.safetensors');
      assert.ok(text.includes(name) || others.has(name), file);
    }
    assert.ok(existsSync(CASES));
  });
});
