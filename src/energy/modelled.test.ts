import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { completePower, modelledSource, modelledW, requirePower } from './modelled.js';
import { checkPower, findMachineFile, readPower } from '../machine/power-file.js';

const from = (value: number) => ({ value, source: 'this test' });
const POWER = {
  busyW: from(8),
  waitingW: from(2),
  sharedW: from(1),
  energyPerByteJ: from(1e-3),
};

test('modelled joules are busy, waiting and shared time and bytes, each times its constant', () => {
  const used = { cpuS: 5, sentBytes: 100 };
  const source = modelledSource(POWER, 2, {
    cpuS: () => used.cpuS,
    sentBytes: () => used.sentBytes,
  });
  assert.equal(source.energyJ(10), 0);
  used.cpuS += 3;
  used.sentBytes += 500;
  // 2 cores for 4 s: 3 s busy, 5 s waiting.
  assert.equal(source.energyJ(14), 8 * 3 + 2 * 5 + 1 * 8 + 0.5);
  // More CPU time than the cores have: helpers on other cores.
  used.cpuS += 100;
  assert.equal(source.energyJ(15), 8 * 103 + 1 * 10 + 0.5);
});

test('the watts of a core that is busy for a share of the time', () => {
  assert.deepEqual(
    [0, 0.5, 1].map((busy) => modelledW(POWER, busy)),
    [3, 6, 9],
  );
});

describe('a machine file', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'machine-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'x.json');
  const write = (content: unknown) =>
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));

  test('comes with the package, each constant with its source', () => {
    const power = requirePower('default', readPower(findMachineFile('default')));
    for (const { value, source } of Object.values(power))
      assert.ok(value >= 0 && source.length > 9);
    assert.ok(power.busyW.value > power.waitingW.value);
  });

  test('can be named by its path', () => {
    write({ power: POWER });
    assert.deepEqual(readPower(findMachineFile(file)), POWER);
  });

  const cases: [string, unknown, RegExp][] = [
    ['no JSON', '{', /cannot read .*x\.json: .*it has to be a JSON file/],
    ['no object', 'null', /has no power; needs busyW, waitingW, sharedW, energyPerByteJ/],
    ['no power', {}, /has no power/],
    ['a constant missing', { power: { ...POWER, busyW: undefined } }, /busyW\.value is missing/],
    [
      'a negative number',
      { power: { ...POWER, waitingW: from(-3) } },
      /waitingW\.value is -3; needs/,
    ],
    ['a text', { power: { ...POWER, sharedW: { value: '3' } } }, /sharedW\.value is "3"/],
    ['an infinity', '{"power":{"busyW":{"value":1e999,"source":"x"}}}', /busyW\.value is null/],
    ['no source', { power: { ...POWER, busyW: { value: 1 } } }, /busyW\.source is missing/],
  ];
  for (const [name, content, message] of cases) {
    test(`with ${name} ends with one line`, () => {
      write(content);
      assert.throws(() => readPower(file), { name: 'MeterError', message });
    });
  }

  test('that does not know a constant says so, and models nothing', () => {
    const power = checkPower(file, { ...POWER, sharedW: null });
    assert.equal(completePower(power), null);
    assert.throws(
      () => requirePower('x', power),
      /x has no sharedW, which modelled energy needs; fill it in/,
    );
  });

  test('that is not there is answered with those that are', () => {
    assert.throws(
      () => findMachineFile('nowhere'),
      /unknown machine nowhere; give one of .*default/,
    );
  });
});
