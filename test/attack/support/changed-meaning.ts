// Changes of what a file says that leave its form right.
import type { Dice } from './infer-bodies.js';

const LENGTH_BYTES = 8;
const ODD_VALUES = [
  ...[null, true, false, 0, -1, 1, 2, 3, 1.5, 1e-320, 1e308, 2 ** 31, 2 ** 53, 1e15, 65536, 10_000],
  ...['', 'x', 'none', 'phantom', 'row', 'F64', 'BF16', '../../etc/passwd', '\0', 'x'.repeat(5000)],
  ...[[], {}, [1e9], [8, 8], [-1], [1, 2, 3, 4, 5, 6, 7, 8, 9], { a: 1 }, '__proto__', '1e999'],
];
const ODD_NUMBERS = [NaN, Infinity, -Infinity, 3e38, -3e38, 1e-45, -0, 0];

/** @param name ends with `.safetensors`, or the file is JSON */
export function changedMeaning(right: Buffer, name: string, dice: Dice): Buffer {
  if (!name.endsWith('.safetensors')) return Buffer.from(changedJson(right.toString(), dice));
  const start = LENGTH_BYTES + Number(right.readBigUInt64LE(0));
  const data = Buffer.from(right.subarray(start));
  if (dice.chance(0.4) && data.length > 0) {
    data.writeFloatLE(dice.pick(ODD_NUMBERS), 4 * dice.integer(data.length >> 2));
    return Buffer.concat([right.subarray(0, start), data]);
  }
  const text = changedJson(right.toString('utf8', LENGTH_BYTES, start), dice);
  const header = Buffer.from(text);
  const padded = Buffer.alloc(8 * Math.ceil(header.length / 8), ' ');
  header.copy(padded);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, data]);
}

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

/** With one or two values that are others, or not there. */
function changedJson(text: string, dice: Dice): string {
  const value = JSON.parse(text) as Record<string, unknown>;
  for (let i = 1 + dice.integer(2); i > 0; i--) {
    const places: Place[] = [];
    collect(value, places);
    if (places.length === 0) break;
    const { holder, key } = dice.pick(places);
    const way = dice.fraction();
    if (way < 0.2) {
      delete holder[key];
    } else if (way < 0.35) {
      const other = dice.pick(places);
      holder[key] = structuredClone(other.holder[other.key]);
    } else if (way < 0.6 && typeof holder[key] === 'number') {
      holder[key] = holder[key] * dice.pick([2, 1000, -1, 0.5]);
    } else {
      holder[key] = structuredClone(dice.pick(ODD_VALUES));
    }
  }
  return JSON.stringify(value, null, 1);
}

function collect(value: unknown, places: Place[]): void {
  if (typeof value !== 'object' || value === null) return;
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    places.push({ holder, key });
    collect(holder[key], places);
  }
}
