import path from 'node:path';
import { MeterError } from '../base/errors.js';
import type { EnergyCounter } from './counter.js';
import { entries, readCount, readText } from './sysfs.js';

/** More than any processor package or its memory takes. */
const MAXIMUM_W = 1000;
const MICROJOULES = 1e-6;

/**
 * The RAPL counters of Intel and AMD processors, through Linux' powercap: each package and each
 * memory (`dram`), which no package contains. Left out are what others contain: cores and uncore
 * are in the package, `psys` has the package in it, and `intel-rapl-mmio` shows the same again.
 *
 * @param sysfs root of sysfs
 * @throws MeterError when there are none, or this user may not read them
 * @see https://docs.kernel.org/power/powercap/powercap.html
 */
export function raplCounters(sysfs: string): EnergyCounter[] {
  const folder = path.join(sysfs, 'class/powercap');
  const zones = entries(folder)
    .filter((entry) => /^intel-rapl(:\d+)+$/.test(entry))
    .map((entry) => ({ entry, name: readText(folder, entry, 'name') ?? '' }))
    .filter(({ entry, name }) => {
      const isTop = /^intel-rapl:\d+$/.test(entry);
      return isTop ? name.startsWith('package') : name === 'dram';
    });
  const unnamed = entries(folder).find(
    (entry) => /^intel-rapl:\d+$/.test(entry) && readText(folder, entry, 'name') === null,
  );
  if (unnamed !== undefined) {
    const what = `${path.join(folder, unnamed, 'name')} cannot be read`;
    throw new MeterError('rapl', `${what}; a package may be missing, so energy is unknown`);
  }
  const packages = packagesOf(sysfs);
  const found = new Set(zones.map(({ name }) => /^package-(\d+)/.exec(name)?.[1]));
  found.delete(undefined);
  if (zones.length > 0 && found.size < packages) {
    const what = `counters of ${found.size} of ${packages} processor packages in ${folder}`;
    throw new MeterError('rapl', `${what}; the energy of the others is unknown`);
  }
  if (zones.length === 0) {
    throw new MeterError(
      'rapl',
      `no counters in ${folder}; needs Linux on an Intel or AMD processor, no virtual machine, ` +
        'and the kernel module intel_rapl_msr',
    );
  }
  return zones.map(({ entry, name }) => {
    const file = path.join(folder, entry, 'energy_uj');
    const remedy = `sudo chmod a+r ${path.join(folder, 'intel-rapl:*/energy_uj')}`;
    const counter: EnergyCounter = {
      // `dram` is the memory of the package that it stands below.
      name: name === 'dram' ? `dram-${entry.split(':')[1]}` : name,
      jouleACount: MICROJOULES,
      range: readCount('rapl', path.join(folder, entry, 'max_energy_range_uj'), remedy),
      maximumW: MAXIMUM_W,
      read: () => readCount('rapl', file, remedy),
    };
    counter.read();
    return counter;
  });
}

/** Processor packages of this machine; 0: not known. */
function packagesOf(sysfs: string): number {
  const folder = path.join(sysfs, 'devices/system/cpu');
  const ids = entries(folder)
    .filter((entry) => /^cpu\d+$/.test(entry))
    .map((entry) => readText(folder, entry, 'topology/physical_package_id'));
  return new Set(ids.filter((id) => id !== null)).size;
}
