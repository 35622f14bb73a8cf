import path from 'node:path';
import type { Machine } from './machine.js';
import { findMachineFile, MOST_BYTES } from './power-file.js';
import { ConfigError } from '../base/errors.js';
import { readSmall } from '../base/regular-file.js';
import { isSystemError, makeFolders, remedyFor, replaceFile } from '../base/files.js';

/**
 * @param nameOrFile as `findMachineFile` takes it
 * @throws ConfigError in a line, when there is none or a number is missing or out of range
 */
export async function readMachine(nameOrFile: string): Promise<Machine> {
  const file = findMachineFile(nameOrFile);
  const text = readText(file);
  const { parseMachine } = await import('./machine-schema.js');
  return parseMachine(file, text);
}

function readText(file: string): string {
  try {
    return readSmall(file, MOST_BYTES).toString('utf8');
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const most = `a machine file is a regular file of at most ${MOST_BYTES} bytes`;
    const isOdd = error.code === 'EFBIG' || error.code === 'ENOTFILE';
    throw new ConfigError(file, isOdd ? most : `cannot be read: ${error.code}`);
  }
}

/** Writes a machine file, whole or not at all.
 * @throws ConfigError when the system refuses */
export function writeMachine(file: string, machine: Machine): void {
  const text = JSON.stringify(machine, null, 2).replaceAll(NUMBER_LINES, joined);
  writeText(file, `${text}\n`);
}

/** Writes a text whole or not at all.
 * @throws ConfigError when the system refuses */
export function writeText(file: string, text: string): void {
  try {
    makeFolders(path.dirname(file));
    replaceFile(file, text);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new ConfigError(file, `cannot be written: ${error.code}; ${remedyFor(error)}`);
  }
}

/** Lists of numbers, which stand in one line each. */
const NUMBER_LINES = /\[[\s\d.,e+-]*\]/g;
const joined = (list: string) => list.replaceAll(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']');
