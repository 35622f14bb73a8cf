import { formatDuration } from '../base/format.js';

/** In what an axis or a table shows its values: `value / divisor` has the unit `name`. */
export interface ShownUnit {
  readonly divisor: number;
  readonly name: string;
}

const PREFIXES: readonly (readonly [number, string])[] = [
  [1e18, 'E'],
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
  [1, ''],
  [1e-3, 'm'],
  [1e-6, 'µ'],
  [1e-9, 'n'],
];

/** The multiple of an SI unit in which the largest of some values has few digits. */
export function shownUnit(unit: string, largest: number): ShownUnit {
  if (unit === 's' && largest >= 7200) return { divisor: 3600, name: 'h' };
  if (unit === 's' && largest >= 120) return { divisor: 60, name: 'min' };
  if (unit === '%') return { divisor: 0.01, name: '%' };
  const plain = { divisor: 1, name: unit };
  if (unit === '' ? largest < 10_000 : largest === 0 || (largest >= 1 && largest < 1000)) {
    return plain;
  }
  const [divisor, prefix] = PREFIXES.find(([size]) => largest >= size * 0.9995) ?? [1e-9, 'n'];
  // Whole numbers and pure ratios have no thousandths.
  if (unit === '' && divisor < 1) return plain;
  if (unit === '')
    return { divisor, name: { k: 'thousand', M: 'million' }[prefix] ?? `×${divisor}` };
  return { divisor, name: `${prefix}${unit}` };
}

/** A tick's number: as many digits as it needs, an exponent for very small or large ones. */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-4 || size >= 1e6))
    return minus(value.toExponential().replace('+', ''));
  return minus(String(Number(value.toPrecision(6))));
}

/** A value with its unit, in a sentence or a table: three digits. */
export function valueText(value: number, unit: string): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) > 1e100) return minus(`${value.toExponential(2)} ${unit}`.trimEnd());
  if (unit === 's') return formatDuration(value);
  if (unit === '' && Number.isInteger(value)) return minus(value.toLocaleString('en-US'));
  const { divisor, name } = shownUnit(unit, Math.abs(value));
  const scaled = value / divisor;
  if (unit === '') return minus(String(Number(value.toPrecision(4))));
  const digits = Number.isInteger(scaled) ? String(scaled) : scaled.toPrecision(3);
  return minus(`${Number(digits)}${name === '%' ? '' : ' '}${name}`);
}

function minus(text: string): string {
  return text.replace('-', '−');
}
