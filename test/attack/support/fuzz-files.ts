// Files from a seed: right ones of every format, changed in a few places, for their public readers.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { train } from 'phantom-parallel';
import { readRunConfig } from 'phantom-parallel/checkpoints';
import { openDataset } from 'phantom-parallel/data';
import { formatCheckpointState, readCheckpointState } from '#src/checkpoints/checkpoint-folder.js';
import { writeSafetensors } from '#src/data/safetensors.js';
import { readSchema } from '#src/data/tables/schema-file.js';
import { readMachine } from '#src/machine/machines.js';
import { readPower } from '#src/machine/power-file.js';
import { describeRun, readRun } from '#src/runs/run-folders.js';
import { runsMarkdown } from '#src/report/runs-page.js';
import { loadConfigFile } from '#src/settings/config-file.js';
import { Dice } from './infer-bodies.js';

/** A right file, and what reads it. */
export interface FileFormat {
  readonly name: string;
  readonly file: string;
  readonly bytes: Buffer;
  /** Of all changed files; readers that start a database are slow. */
  readonly weight: number;
  readonly read: (file: string) => unknown;
}

const ROWS = 12;
const FEATURES = 3;

/** Writes right files of all formats into a folder. */
export async function fileFormats(folder: string): Promise<FileFormat[]> {
  const formats: FileFormat[] = [];
  const add = (name: string, bytes: Buffer, weight: number, read: FileFormat['read']) => {
    const file = path.join(folder, name);
    writeFileSync(file, bytes);
    formats.push({ name, file, bytes, weight, read });
  };
  const dataset = (file: string) => openDataset(file);
  const dice = new Dice(1, 'right files');
  const x = Float32Array.from({ length: ROWS * FEATURES }, () => Math.fround(dice.fraction()));
  const labels = Array.from({ length: ROWS }, (_, row) => row % 3);

  const images = Buffer.concat([
    Buffer.from([0, 0, 8, 3, 0, 0, 0, ROWS, 0, 0, 0, 1, 0, 0, 0, FEATURES]),
    Buffer.from(x.map((value) => 255 * value)),
  ]);
  const classes = Buffer.from([0, 0, 8, 1, 0, 0, 0, ROWS, ...labels]);
  writeFileSync(path.join(folder, 'a-labels-idx1-ubyte'), classes);
  add('a-images-idx3-ubyte', images, 4, dataset);
  const other = path.join(folder, 'b-images-idx3-ubyte.gz');
  writeFileSync(other, zlib.gzipSync(images));
  add('b-labels-idx1-ubyte.gz', zlib.gzipSync(classes), 4, () => openDataset(other));

  const xNpy = npy('<f4', `${ROWS}, ${FEATURES}`, Buffer.from(x.buffer));
  const yNpy = npy('<i4', `${ROWS},`, Buffer.from(Int32Array.from(labels).buffer));
  add('x.npy', xNpy, 4, dataset);
  add('y.npy', yNpy, 4, () => openDataset(path.join(folder, 'x.npy')));
  add('t.npz', zip({ 'x.npy': xNpy, 'y.npy': yNpy }), 6, dataset);

  const tensors = path.join(folder, 't.safetensors');
  writeSafetensors(tensors, [
    { name: 'x', dtype: 'F32', shape: [ROWS, FEATURES], data: x },
    { name: 'y', dtype: 'F32', shape: [ROWS, 1], data: Float32Array.from(labels) },
  ]);
  add('t.safetensors', readFileSync(tensors), 6, dataset);

  const rows = labels.map((label, row) => ({ u: x[row], v: row * 7, w: `c${label}`, label }));
  const csv = ['u,v,w,label', ...rows.map((row) => Object.values(row).join())].join('\n');
  add('t.csv', Buffer.from(`${csv}\n`), 1, dataset);
  add('t.json', Buffer.from(JSON.stringify(rows)), 1, dataset);
  add('t.jsonl', Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join('')), 1, dataset);
  const parquet = new URL('../../../../test/cases/parquet/codec-snappy.parquet', import.meta.url);
  add('t.parquet', readFileSync(parquet), 1, dataset);

  const run = path.join(folder, 'run');
  const table = path.join(folder, 'run.csv');
  writeFileSync(table, `${csv}\n`);
  await train({
    ...{ data: table, validation: 0.25, width: 8, depth: 1, blocks: 2, ghosts: 1, ranks: 1 },
    ...{ engine: 'wasm', batch: 4, steps: 6, logEvery: 1, out: run },
  });
  const inRun = (name: string, weight: number, read: () => unknown) =>
    add(path.join('run', name), readFileSync(path.join(run, name)), weight, read);
  inRun('metrics.jsonl', 6, () => runsMarkdown([describeRun(readRun(run))], []));
  inRun('schema.json', 6, () => readSchema(run));
  const { hash: _, ...config } = readRunConfig(run) as object & { hash?: string };
  add('run/config.json', Buffer.from(JSON.stringify(config, null, 1)), 6, () => {
    readRunConfig(run);
    return runsMarkdown([describeRun(readRun(run))], []);
  });
  const checkpoint = path.join(run, 'checkpoints', 'step-00000006');
  const state = readFileSync(path.join(checkpoint, 'state.json'));
  // With a hash that is right again, so that what is in it is looked at.
  add(path.relative(folder, path.join(checkpoint, 'state.json')), state, 6, (file) => {
    const { stateSha256: _own, ...values } = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, formatCheckpointState(values));
    return readCheckpointState(checkpoint);
  });

  const settings = { width: 64, ghosts: 4, data: 'fashion-10k', lr: 0.01, steps: 10, seed: 3 };
  const yaml = Object.entries(settings).map(([key, value]) => `${key}: ${value}\n`);
  add('c.yaml', Buffer.from(`# comment\n${yaml.join('')}`), 4, (file) => loadConfigFile(file));
  add('c.json', Buffer.from(JSON.stringify(settings)), 4, (file) => loadConfigFile(file));
  const machine = new URL('../../../../machines/h100.json', import.meta.url);
  add('m.json', readFileSync(machine), 4, (file) => readMachine(file));
  add('p.json', readFileSync(machine), 2, (file) => readPower(file));
  return formats;
}

/** One that the seed's `index` chooses, changed. */
export function changedFile(
  formats: readonly FileFormat[],
  seed: number,
  index: number,
): { readonly format: FileFormat; readonly bytes: Buffer } {
  const dice = new Dice(seed, `file ${index}`);
  const total = formats.reduce((sum, { weight }) => sum + weight, 0);
  let place = dice.integer(total);
  const format = formats.find(({ weight }) => (place -= weight) < 0) as FileFormat;
  return { format, bytes: changedBytes(format.bytes, dice) };
}

/** Changed in one to three places. */
export function changedBytes(right: Buffer, dice: Dice): Buffer {
  let bytes = right;
  for (let i = 1 + dice.integer(3); i > 0; i--) bytes = dice.pick(CHANGES)(bytes, dice);
  return bytes;
}

type Change = (bytes: Buffer, dice: Dice) => Buffer;

const TOKENS = [
  ...['{', '}', '[', '[[[[', ']', '"', '\\', ',', ':', '\n', '\0', '\uFEFF', '-', '1e999', 'NaN'],
  ...['null', 'true', '9007199254740993', '1e308', '-1', '0', '4294967296', '__proto__', '\uD800'],
  ...['*', '&a', '!!js/function', '"constructor"', 'é', '[1,2]', '{"a":1}', '18446744073709551616'],
];

/** Cuts `count` bytes out at a place, and puts others there. */
function splice(bytes: Buffer, at: number, count: number, others: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), others, bytes.subarray(at + count)]);
}

/** Ways to change a file. */
const CHANGES: readonly Change[] = [
  (bytes, dice) => {
    const at = dice.integer(bytes.length + 1);
    return splice(bytes, at, 1, Buffer.from([dice.integer(256)]));
  },
  (bytes, dice) => bytes.subarray(0, dice.integer(bytes.length + 1)),
  (bytes, dice) => splice(bytes, dice.integer(bytes.length + 1), 0, Buffer.from(dice.pick(TOKENS))),
  (bytes, dice) => splice(bytes, dice.integer(bytes.length + 1), dice.integer(20), Buffer.alloc(0)),
  (bytes, dice) => {
    const from = dice.integer(bytes.length + 1);
    return splice(bytes, from, 0, bytes.subarray(from, from + dice.integer(64)));
  },
  // A number of the text.
  (bytes, dice) => {
    const numbers = [...bytes.toString('latin1').matchAll(/-?\d+(\.\d+)?/g)];
    if (numbers.length === 0) return bytes;
    const { index, 0: text } = dice.pick(numbers);
    return splice(bytes, index, text.length, Buffer.from(dice.pick(TOKENS)));
  },
  // A count of the bytes.
  (bytes, dice) => {
    const size = dice.pick([2, 4, 8]);
    const value = Buffer.alloc(size, dice.pick([0, 0xff, 0x7f, 0x80]));
    if (dice.chance(0.5)) value[dice.pick([0, size - 1])] = dice.integer(256);
    return splice(bytes, dice.integer(bytes.length + 1), size, value);
  },
  // Deep nesting.
  (bytes, dice) => {
    const depth = 1 + dice.integer(20_000);
    const [open, close] = dice.pick([
      ['[', ']'],
      ['{"a":', '}'],
    ] as const);
    const deep = Buffer.from(`${open.repeat(depth)}1${close.repeat(depth)}`);
    return splice(bytes, dice.integer(bytes.length + 1), 0, deep);
  },
];

function npy(descr: string, shape: string, data: Buffer): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`);
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0]);
  return Buffer.concat([start, header, data]);
}

/** An archive as `np.savez_compressed` writes it. */
function zip(members: Readonly<Record<string, Buffer>>): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let position = 0;
  for (const [name, bytes] of Object.entries(members)) {
    const packed = zlib.deflateRawSync(bytes);
    const sizes = Buffer.alloc(26);
    sizes.writeUInt16LE(20, 0);
    sizes.writeUInt16LE(8, 4);
    sizes.writeUInt32LE(zlib.crc32?.(bytes) ?? 0, 10);
    sizes.writeUInt32LE(packed.length, 14);
    sizes.writeUInt32LE(bytes.length, 18);
    sizes.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), sizes, Buffer.from(name), packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(position, 10);
    const version = Buffer.from([20, 0]);
    entries.push(
      Buffer.concat([Buffer.from('PK\x01\x02'), version, sizes, place, Buffer.from(name)]),
    );
    locals.push(local);
    position += local.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(position, 12);
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06'), end]);
}
