import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PowerModel, Sourced } from './machine.js';
import { ConfigError, MeterError } from '../base/errors.js';
import { readSmall } from '../base/regular-file.js';

/** Of a machine file. */
export const MOST_BYTES = 4 << 20;

/** Machines that come with the package. */
const MACHINES = fileURLToPath(new URL('../../machines/', import.meta.url));
const CONSTANTS = ['busyW', 'waitingW', 'sharedW', 'energyPerByteJ'] as const;

/**
 * The file of a machine: a path, or a name of `machines/` here or of the package's own.
 *
 * @throws ConfigError when there is none, with the names there are
 */
export function findMachineFile(machine: string): string {
  const named = `${machine}.json`;
  const places = [machine, path.join('machines', named), path.join(MACHINES, named)];
  const found = places.find((place) => place.endsWith('.json') && existsSync(place));
  if (found !== undefined) return found;
  const names = ['machines', MACHINES]
    .flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []))
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length));
  const known = [...new Set(names)].toSorted().join(', ');
  throw new ConfigError(
    'machine',
    `unknown machine ${machine}; give one of ${known}, or a file that phantom calibrate wrote`,
  );
}

/** The power model of a machine file. @throws MeterError where something is missing or wrong */
export function readPower(file: string): PowerModel {
  return checkPower(file, (contentOf(file) as { power?: unknown } | null)?.power);
}

/** Whether its watts are of devices: it was measured with engine cuda. @throws MeterError where it is no JSON file */
export function isOfDevices(file: string): boolean {
  const content = contentOf(file) as { compute?: { engine?: unknown } | null } | null;
  const engine = content?.compute?.engine;
  return typeof engine === 'string' && engine.startsWith('cuda,');
}

function contentOf(file: string): unknown {
  try {
    return JSON.parse(readSmall(file, MOST_BYTES).toString('utf8'));
  } catch (error) {
    const [reason] = (error as Error).message.split('\n', 1);
    throw new MeterError('machine', `cannot read ${file}: ${reason}; it has to be a JSON file`);
  }
}

/** Checks the `power` of a machine file. @throws MeterError naming the first thing that is wrong */
export function checkPower(file: string, power: unknown): PowerModel {
  if (typeof power !== 'object' || power === null) {
    throw new MeterError('machine', `${file} has no power; needs ${CONSTANTS.join(', ')}`);
  }
  const check = (name: string) =>
    checkConstant(file, name, (power as Record<string, unknown>)[name]);
  return {
    busyW: check('busyW'),
    waitingW: check('waitingW'),
    sharedW: check('sharedW'),
    energyPerByteJ: check('energyPerByteJ'),
  };
}

function checkConstant(file: string, name: string, constant: unknown): Sourced | null {
  if (constant === null) return null;
  const { value, source } = (constant ?? {}) as { value?: unknown; source?: unknown };
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    const found = value === undefined ? 'missing' : JSON.stringify(value);
    throw new MeterError(
      'machine',
      `${file}: power.${name}.value is ${found}; needs a number of at least 0, or null for the ` +
        'whole constant where it is unknown',
    );
  }
  if (typeof source !== 'string' || source.trim() === '') {
    throw new MeterError(
      'machine',
      `${file}: power.${name}.source is missing; say where it is from`,
    );
  }
  return { value, source };
}
