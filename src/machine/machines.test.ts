import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseMachine } from './machine-schema.js';
import { readMachine } from './machines.js';

const file = fileURLToPath(new URL('../../machines/mi250x.json', import.meta.url));
const text = readFileSync(file, 'utf8');

/** A machine file, to be damaged. */
interface Loose {
  [key: string]: unknown;
  ranksPerNode: object;
  power: Record<string, unknown>;
  compute: object;
}

function changed(change: (machine: Loose) => void): string {
  const machine = JSON.parse(text) as Loose;
  change(machine);
  return JSON.stringify(machine);
}

describe('machine files', () => {
  it('of the package are valid, and every number has a source', async () => {
    for (const name of ['mi250x', 'mi300x', 'a100', 'h100', 'h200']) {
      const machine = await readMachine(name);
      assert.equal(machine.name, name);
      assert.ok(machine.compute.kind === 'peak' && machine.compute.flopsPerS.source.length > 10);
    }
  });

  it('are refused with one line that names the number', () => {
    const bad: [string, RegExp][] = [
      ['{', /^\[x\.json\] not JSON/],
      ['[]', /^\[x\.json\] the file: is \[\]; needs a/],
      [changed((m) => Reflect.deleteProperty(m, 'ranksPerNode')), /ranksPerNode: is missing$/],
      [
        changed((m) => Object.assign(m.ranksPerNode, { value: -8 })),
        /ranksPerNode\.value: is -8; needs a number of more than 0$/,
      ],
      [
        changed((m) => Object.assign(m.power, { busyW: { value: -1, source: 's' } })),
        /power\.busyW\.value: is -1; needs a number of at least 0$/,
      ],
      [
        changed((m) => Object.assign(m.power, { busyW: { value: 'x', source: 's' } })),
        /power\.busyW\.value: is "x"; needs a number$/,
      ],
      [changed((m) => delete m.power['waitingW']), /power\.waitingW: is missing$/],
      [
        changed((m) => Object.assign(m.power, { busyW: { value: 5 } })),
        /power\.busyW\.source: is missing$/,
      ],
      [changed((m) => Object.assign(m, { wattage: 3 })), /unknown key wattage$/],
      [changed((m) => Object.assign(m.compute, { kind: 'guess' })), /compute/],
    ];
    for (const [json, line] of bad) {
      assert.throws(
        () => parseMachine('x.json', json),
        (error: Error) => {
          assert.equal(error.name, 'ConfigError');
          assert.match(error.message, line);
          assert.ok(!error.message.includes('\n'));
          return true;
        },
      );
    }
  });

  it('that are not there are refused with the nearest name', async () => {
    await assert.rejects(readMachine('h10'), /unknown machine h10; give one of .*h100/);
    await assert.rejects(readMachine('none/such.json'), /unknown machine none\/such\.json/);
  });
});
