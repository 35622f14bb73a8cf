import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { counterSource } from './counter.js';
import { hwmonSources } from './hwmon.js';
import { raplCounters } from './rapl.js';
import { WindowMeter } from './windows.js';

/** A root like /sys with files of these contents. */
function sysfs(context: TestContext, files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(path.join(tmpdir(), 'sysfs-'));
  chmodSync(root, 0o755);
  context.after(() => rmSync(root, { recursive: true }));
  const write = (file: string, text: string) => {
    const place = path.join(root, 'class', file);
    mkdirSync(path.dirname(place), { recursive: true });
    writeFileSync(place, `${text}\n`);
  };
  for (const [file, text] of Object.entries(files)) write(file, text);
  return { root, write, remove: (file: string) => rmSync(path.join(root, 'class', file)) };
}

/** A zone of powercap. */
const zone = (entry: string, name: string, energy = '0') => ({
  [`powercap/${entry}/name`]: name,
  [`powercap/${entry}/energy_uj`]: energy,
  [`powercap/${entry}/max_energy_range_uj`]: '262143328850',
});

const SERVER = {
  ...zone('intel-rapl:0', 'package-0', '262143000000'),
  ...zone('intel-rapl:0:0', 'core'),
  ...zone('intel-rapl:0:1', 'uncore'),
  ...zone('intel-rapl:0:2', 'dram', '1000000'),
  ...zone('intel-rapl:1', 'package-1'),
  ...zone('intel-rapl:1:0', 'dram'),
  ...zone('intel-rapl:2', 'psys'),
  ...zone('intel-rapl-mmio:0', 'package-0'),
  'powercap/intel-rapl/enabled': '1',
};

describe('RAPL', () => {
  test('is packages and memories, nothing twice', (context) => {
    const { root } = sysfs(context, SERVER);
    assert.deepEqual(
      raplCounters(root).map(({ name }) => name),
      ['package-0', 'dram-0', 'package-1', 'dram-1'],
    );
  });

  test('is added up over a wrap', (context) => {
    const { root, write } = sysfs(context, SERVER);
    let nowS = 0;
    const further = {
      'powercap/intel-rapl:0/energy_uj': '671151',
      'powercap/intel-rapl:0:2/energy_uj': '1500001',
      'powercap/intel-rapl:1/energy_uj': '40000001',
      'powercap/intel-rapl:1:0/energy_uj': '11',
    };
    const meter = new WindowMeter({
      name: 'rapl',
      description: '',
      sources: raplCounters(root).map(counterSource),
      clock: () => nowS,
      pause: (seconds) => {
        nowS += seconds;
        for (const [file, counts] of Object.entries(further)) write(file, counts);
      },
    });
    meter.begin('run');
    nowS = 2;
    write('powercap/intel-rapl:0/energy_uj', '671150');
    write('powercap/intel-rapl:0:2/energy_uj', '1500000');
    write('powercap/intel-rapl:1/energy_uj', '40000000');
    write('powercap/intel-rapl:1:0/energy_uj', '10');
    const { energyJ, parts, obtained } = meter.end('run');
    assert.equal(obtained, 'counter');
    assert.deepEqual(
      parts.map((part) => part.energyJ.toFixed(6)),
      ['1.000000', '0.500000', '40.000000', '0.000010'],
    );
    assert.ok(Math.abs((energyJ ?? 0) - 41.50001) < 1e-9);
  });

  test('of a package that cannot be read, or that none counts, gives no joules', (context) => {
    const { root, remove } = sysfs(context, SERVER);
    remove('powercap/intel-rapl:1/name');
    assert.throws(() => raplCounters(root), /intel-rapl:1\/name cannot be read; a package may be/);
    const one = sysfs(context, zone('intel-rapl:0', 'package-0'));
    for (const id of ['0', '1']) {
      const file = path.join(one.root, 'devices/system/cpu', `cpu${id}`, 'topology');
      mkdirSync(file, { recursive: true });
      writeFileSync(path.join(file, 'physical_package_id'), `${id}\n`);
    }
    assert.throws(() => raplCounters(one.root), /counters of 1 of 2 processor packages/);
  });

  test('that vanishes, or holds no number, makes the energy unknown', (context) => {
    const { root, write, remove } = sysfs(context, zone('intel-rapl:0', 'package-0'));
    const start = () => {
      const sources = raplCounters(root).map(counterSource);
      const meter = new WindowMeter({ name: 'rapl', description: '', sources });
      meter.begin('run');
      return meter;
    };
    const damaged = start();
    write('powercap/intel-rapl:0/energy_uj', '-5');
    assert.match(damaged.end('run').problem ?? '', /energy_uj holds "-5", not a count/);
    write('powercap/intel-rapl:0/energy_uj', '5');
    const vanished = start();
    remove('powercap/intel-rapl:0/energy_uj');
    const reading = vanished.end('run');
    assert.deepEqual([reading.energyJ, reading.obtained], [null, 'unavailable']);
    assert.match(reading.problem ?? '', /cannot read .*energy_uj: ENOENT/);
  });

  test('is missing in a virtual machine', (context) => {
    const { root } = sysfs(context, {});
    assert.throws(() => raplCounters(root), /\[rapl\] no counters in .*no virtual machine/);
  });

  test('that may not be read is reported with its remedy', (context) => {
    const { root } = sysfs(context, zone('intel-rapl:0', 'package-0'));
    chmodSync(path.join(root, 'class/powercap/intel-rapl:0/energy_uj'), 0o000);
    const program = `
      process.setegid?.(65534); process.seteuid?.(65534);
      import(${JSON.stringify(new URL('rapl.js', import.meta.url).href)}).then(
        ({ raplCounters }) => raplCounters(${JSON.stringify(root)})
      ).catch((error) => console.log(error.message));`;
    const drop = process.getuid?.() === 0 ? program : program.replace(/process\.set.*\n/, '\n');
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', drop], {
      encoding: 'utf8',
    });
    assert.match(
      stdout,
      /^\[rapl\] .*energy_uj may not be read by this user; sudo chmod a\+r .*intel-rapl:\*/,
      stderr,
    );
  });
});

describe('hwmon', () => {
  const counter = (chip: string, n: number, label: string, value = '0') => ({
    [`hwmon/${chip}/energy${n}_input`]: value,
    [`hwmon/${chip}/energy${n}_label`]: label,
  });

  test('takes sockets without their cores, and other chips as they are', (context) => {
    const { root } = sysfs(context, {
      'hwmon/hwmon0/name': 'amd_energy',
      ...counter('hwmon0', 1, 'Ecore000'),
      ...counter('hwmon0', 2, 'Esocket0'),
      'hwmon/hwmon1/name': 'board',
      'hwmon/hwmon1/energy1_input': '7',
      'hwmon/hwmon1/temp1_input': '40000',
    });
    assert.deepEqual(
      hwmonSources(root).map(({ name, obtained }) => [name, obtained]),
      [
        ['amd_energy Esocket0', 'counter'],
        ['board energy1_input', 'counter'],
      ],
    );
  });

  test("integrates the machine's power where nothing counts energy", (context) => {
    const { root, write } = sysfs(context, {
      'hwmon/hwmon0/name': 'power_meter',
      'hwmon/hwmon0/power1_average': '100000000',
    });
    const [source] = hwmonSources(root);
    assert.equal(source?.obtained, 'integrated');
    assert.equal(source?.energyJ(0), 0);
    write('hwmon/hwmon0/power1_average', '300000000');
    assert.equal(source?.energyJ(0.5), 100);
  });

  test('takes no power of single parts for that of a machine', (context) => {
    const { root } = sysfs(context, {
      'hwmon/hwmon0/name': 'amdgpu',
      'hwmon/hwmon0/power1_average': '100000000',
    });
    assert.throws(() => hwmonSources(root), /\[hwmon\] no energy counter and no ACPI power meter/);
  });
});
