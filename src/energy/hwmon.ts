import path from 'node:path';
import { MeterError } from '../base/errors.js';
import { counterSource, integratedSource } from './counter.js';
import type { EnergySource } from './meter.js';
import { entries, readCount, readText } from './sysfs.js';

/** More than a machine with GPUs takes. */
const MAXIMUM_W = 30_000;
/** Labels of counters that contain their chip's others: a socket its cores, a card its package. */
const WHOLE = /socket|card/i;
/** The chip of ACPI's power meter: what the whole machine takes. */
const ACPI_METER = 'power_meter';

/**
 * What Linux' hwmon tells of energy: every chip's counters (`energyN_input`), or where there are
 * none, the power of the whole machine by ACPI (`powerN_average`), to be integrated.
 *
 * @param sysfs root of sysfs
 * @throws MeterError when there are none, or this user may not read them
 * @see https://docs.kernel.org/hwmon/sysfs-interface.html
 */
export function hwmonSources(sysfs: string): EnergySource[] {
  const folder = path.join(sysfs, 'class/hwmon');
  const chips = entries(folder).map((chip) => path.join(folder, chip));
  const counters = chips.flatMap(energyCounters);
  if (counters.length > 0) return counters;
  const meters = chips.filter((chip) => readText(chip, 'name') === ACPI_METER).flatMap(powerMeters);
  if (meters.length > 0) return meters;
  throw new MeterError('hwmon', `no energy counter and no ACPI power meter in ${folder}`);
}

function energyCounters(chip: string): EnergySource[] {
  const found = sensors(chip, /^energy\d+_input$/);
  const whole = found.filter(({ label }) => WHOLE.test(label));
  return (whole.length > 0 ? whole : found).map(({ name, file }) => {
    const read = () => readCount('hwmon', file, remedy(file));
    read();
    return counterSource({ name, jouleACount: 1e-6, range: null, maximumW: MAXIMUM_W, read });
  });
}

function powerMeters(chip: string): EnergySource[] {
  return sensors(chip, /^power\d+_average$/).map(({ name, file }) => {
    const read = () => readCount('hwmon', file, remedy(file)) / 1e6;
    read();
    return integratedSource({ name, read });
  });
}

function sensors(chip: string, pattern: RegExp) {
  return entries(chip)
    .filter((entry) => pattern.test(entry))
    .map((entry) => {
      const label = readText(chip, entry.replace(/_\w+$/, '_label')) ?? '';
      const name = [readText(chip, 'name') ?? path.basename(chip), label || entry].join(' ');
      return { label, name, file: path.join(chip, entry) };
    });
}

const remedy = (file: string) => `sudo chmod a+r ${file}`;
