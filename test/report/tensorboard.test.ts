// Event files against a decoder of its own, written from the formats' definitions: TFRecord's
// framing with masked CRC-32C, and the protocol buffers' wire format.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readMetrics, temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** Bit by bit, by the polynomial 0x1EDC6F41 reflected. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}

function records(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  const check = (part: Buffer, at: number) => {
    const crc = crc32c(part);
    const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
    assert.equal(bytes.readUInt32LE(at), masked, `checksum at ${at}`);
  };
  let at = 0;
  while (at < bytes.length) {
    check(bytes.subarray(at, at + 8), at + 8);
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.equal(data.length, length);
    check(data, at + 12 + length);
    found.push(data);
    at += 16 + length;
  }
  return found;
}

interface Field {
  readonly field: number;
  /** Of the wire types 0; 1, 2 and 5. */
  readonly value: bigint | Uint8Array;
}

/** Every field of a message, strictly: unknown wire types and trailing bytes fail. */
function fields(message: Buffer): Field[] {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      assert.ok(at < message.length && shift < 70n);
      const byte = message[at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number) => {
    assert.ok(at + length <= message.length);
    at += length;
    return message.subarray(at - length, at);
  };
  const found: Field[] = [];
  while (at < message.length) {
    const key = Number(varint());
    const [field, wire] = [key >> 3, key & 7];
    if (wire === 0) found.push({ field, value: varint() });
    else if (wire === 1) found.push({ field, value: take(8) });
    else if (wire === 2) found.push({ field, value: take(Number(varint())) });
    else {
      assert.equal(wire, 5);
      found.push({ field, value: take(4) });
    }
  }
  return found;
}

function bytesOf(field: Field | undefined): Buffer {
  assert.ok(field?.value instanceof Uint8Array);
  return Buffer.from(field.value);
}

interface Decoded {
  wallTimeS: number;
  step: number;
  version: string | null;
  session: bigint | null;
  scalars: Record<string, number>;
}

/** tensorflow/core/util/event.proto and framework/summary.proto */
function decode(message: Buffer): Decoded {
  const event: Decoded = {
    wallTimeS: Number.NaN,
    step: 0,
    version: null,
    session: null,
    scalars: {},
  };
  for (const { field, value } of fields(message)) {
    if (field === 2) event.step = Number(value);
    else {
      assert.ok(value instanceof Uint8Array);
      const bytes = Buffer.from(value);
      if (field === 1) event.wallTimeS = bytes.readDoubleLE(0);
      else if (field === 3) event.version = bytes.toString('utf8');
      else if (field === 7) event.session = fields(bytes)[0]?.value as bigint;
      else {
        assert.equal(field, 5);
        for (const summary of fields(bytes)) {
          assert.equal(summary.field, 1);
          const [tag, scalar, ...others] = fields(bytesOf(summary));
          assert.deepEqual([tag?.field, scalar?.field, others.length], [1, 2, 0]);
          const name = bytesOf(tag).toString('utf8');
          event.scalars[name] = bytesOf(scalar).readFloatLE(0);
        }
      }
    }
  }
  return event;
}

function eventsIn(folder: string): Decoded[][] {
  return readdirSync(path.join(folder, 'tensorboard'))
    .toSorted()
    .map((name) => {
      assert.match(name, /^events\.out\.tfevents\.\d+\./);
      return records(readFileSync(path.join(folder, 'tensorboard', name))).map(decode);
    });
}

describe('event files for TensorBoard', () => {
  it('crc32c is that of RFC 3720', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  });

  it('phantom report --tensorboard tells what the run folder tells', (context) => {
    const cwd = temporaryFolder(context);
    const folder = writeRunFolder(path.join(cwd, 'run'));
    const args = [MAIN, 'report', 'run', '--tensorboard'];
    for (let twice = 0; twice < 2; twice++) {
      const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    }
    const [[version, ...events] = [], ...others] = eventsIn(folder);
    assert.equal(others.length, 0);
    assert.equal(version?.version, 'brain.Event:2');
    const startS = Date.parse('2026-01-02T03:04:06.000Z') / 1000;
    assert.equal(version?.wallTimeS, startS);
    assert.equal(events.length, 15);
    const first = events[0];
    assert.equal(first?.step, 10);
    assert.ok(Math.abs((first?.wallTimeS ?? 0) - startS - 0.05) < 1e-6);
    assert.equal(first?.scalars['training/loss'], Math.fround(0.1));
    assert.equal(first?.scalars['energy/run_J_modelled'], 2.5);
    assert.equal(events.find(({ scalars }) => 'validation/loss' in scalars)?.step, 20);
  });

  it('phantom train --tensorboard writes as it goes, also when it is resumed', (context) => {
    const cwd = temporaryFolder(context);
    const train = (...args: string[]) => {
      const all = [MAIN, 'train', ...args, '--tensorboard'];
      const { status, stderr } = spawnSync(process.execPath, all, { cwd, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    };
    const data = 'synthetic:teacher?widths=8,16,4&validation=32';
    train(
      '--data',
      data,
      '--width',
      '16',
      '--blocks',
      '2',
      '--ghosts',
      '2',
      '--ranks',
      '1',
      '--engine',
      'wasm',
      '--batch',
      '8',
      '--steps',
      '20',
      '--out',
      'run',
    );
    train('--resume', 'run', '--steps', '40');
    const files = eventsIn(path.join(cwd, 'run'));
    assert.equal(files.length, 2);
    const all = files.flat();
    const restarts = all.filter(({ session }) => session !== null).map(({ step }) => step);
    assert.deepEqual(restarts, [21]);
    // TensorBoard drops what the earlier file has of the step of a restart and later ones.
    const [before = [], after = []] = files;
    const shown = [...before.filter(({ step }) => step < (restarts[0] ?? 0)), ...after];
    const told = shown.flatMap(({ step, scalars }) =>
      'training/loss' in scalars ? [[step, scalars['training/loss']]] : [],
    );
    const logged = readMetrics(path.join(cwd, 'run'))
      .filter(({ type }) => type === 'step')
      .map(({ step, loss }) => [step, Math.fround(loss as number)]);
    assert.deepEqual(
      told.toSorted(([a = 0], [b = 0]) => a - b),
      logged,
    );
    const again = [MAIN, 'report', 'run', '--tensorboard'];
    const { status, stderr } = spawnSync(process.execPath, again, { cwd, encoding: 'utf8' });
    assert.equal(status, 2);
    assert.match(stderr, /was written as the run went; a second file would double it/);
  });
});
