/** By power of 1000, from the thousandth of a millionth of a millionth up. */
const PREFIXES = ['p', 'n', 'µ', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const UNSCALED = PREFIXES.indexOf('');
/** Layers listed one by one. */
const MOST_LISTED = 12;

/**
 * Three digits and an SI prefix: `1.21 GFLOP`, `3.10 MB`, `0 B`, `12.3 mJ`; counts without a unit
 * too: `5.26 M`. Counts, bytes and FLOPs have no thousandths. What is not finite is `–`.
 */
export function formatSi(value: number, unit = ''): string {
  if (!Number.isFinite(value)) return '–';
  const least = /^(|B|FLOP)(\/|$)/.test(unit) ? UNSCALED : 0;
  const sign = value < 0 ? '−' : '';
  let scaled = Math.abs(value);
  let power = UNSCALED;
  for (; scaled >= 999.5 && power < PREFIXES.length - 1; power++) scaled /= 1000;
  for (; scaled !== 0 && scaled < 0.9995 && power > least; power--) scaled *= 1000;
  const text =
    power === UNSCALED && Number.isInteger(scaled) ? String(scaled) : threeDigits(scaled);
  if (scaled >= 999.5 || (scaled !== 0 && scaled < 0.005)) {
    return `${exponent(value)} ${unit}`.trimEnd();
  }
  return `${sign}${text} ${PREFIXES[power]}${unit}`.trimEnd();
}

/** A value of a chart or a table by its unit: `s` a duration, `%` a share, none a count or number. */
export function formatValue(value: number, unit: string): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= (unit === '' ? 1e12 : 1e21)) return `${exponent(value)} ${unit}`.trimEnd();
  if (unit === 's') return formatDuration(value);
  if (unit === '%') return formatPercent(value, 1);
  if (unit !== '') return formatSi(value, unit);
  return minus(
    Number.isInteger(value) ? value.toLocaleString('en-US') : String(Number(value.toPrecision(4))),
  );
}

/** In what an axis shows its values: `value / divisor` has the unit `name`. */
export interface AxisUnit {
  readonly divisor: number;
  readonly name: string;
}

/** The multiple of a unit in which the largest of an axis's values has few digits. */
export function axisUnit(unit: string, largest: number): AxisUnit {
  if (unit === 's' && largest >= 7200) return { divisor: 3600, name: 'h' };
  if (unit === 's' && largest >= 120) return { divisor: 60, name: 'min' };
  if (unit === '%') return { divisor: 0.01, name: '%' };
  const plain = { divisor: 1, name: unit };
  if (largest === 0 || (unit === '' && largest < 10_000)) return plain;
  const power = Math.floor(Math.log10(largest / 0.9995) / 3);
  const kept = Math.min(Math.max(power, unit === '' ? 0 : -3), PREFIXES.length - 1 - UNSCALED);
  const prefix = PREFIXES[UNSCALED + kept] ?? '';
  const divisor = Number(`1e${3 * kept}`);
  if (unit !== '') return { divisor, name: `${prefix}${unit}` };
  return { divisor, name: { k: 'thousand', M: 'million' }[prefix] ?? `×${divisor}` };
}

/** A number of an axis: as many digits as it needs, an exponent where it is small or large. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  const isPlain = value === 0 || (size >= 1e-4 && size < 1e6);
  return minus(
    isPlain ? String(Number(value.toPrecision(6))) : value.toExponential().replace('+', ''),
  );
}

/** Whole numbers with separators: `12,345`. */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : 'endless';
}

/** K, or that of each layer where they differ: `16`, `3/16`; of many layers `3 to 16`. */
export function formatGhosts({
  ghosts,
  layerGhosts,
}: {
  readonly ghosts: number | null;
  readonly layerGhosts?: readonly number[] | null | undefined;
}): string {
  if (!layerGhosts) return String(ghosts ?? '–');
  return layerGhosts.length > MOST_LISTED
    ? `${Math.min(...layerGhosts)} to ${ghosts}`
    : layerGhosts.join('/');
}

/** `16 ghosts`, `16 ghosts with tanh`. */
export function ghostsText(
  of: Parameters<typeof formatGhosts>[0] & { readonly ghostActivation?: string | undefined },
): string {
  const { ghostActivation = 'none' } = of;
  const applied = ghostActivation === 'none' ? '' : ` with ${ghostActivation}`;
  return `${formatGhosts(of)} ghosts${applied}`;
}

/** Seconds as people read them: `850 µs`, `12.3 ms`, `4.56 s`, `2 min 05 s`, `3 h 07 min`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–';
  if (seconds === 0) return '0 s';
  if (seconds < 0.9995e-3) return `${threeDigits(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${threeDigits(seconds * 1e3)} ms`;
  if (seconds < 59.95) return `${threeDigits(seconds)} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(Math.round(seconds) % 60)} s`;
  const whole = Math.round(seconds / 60);
  return `${Math.floor(whole / 60)} h ${twoDigits(whole % 60)} min`;
}

/** A loss: four significant digits, or an exponent where it is very small or large. */
export function formatLoss(loss: number | null): string {
  if (loss === null) return '–';
  const size = Math.abs(loss);
  if (loss !== 0 && (size < 1e-3 || size >= 1e5)) return loss.toExponential(3);
  return size < 10 ? loss.toFixed(4) : loss.toPrecision(5);
}

/** To four digits, with a minus sign: `4.213`, `−0.5`. */
export function formatDigits(value: number): string {
  return String(Number(value.toPrecision(4))).replace('-', '−');
}

/** A share as a percentage: `87.65%`; far outside of 0 to 100 with an exponent: `−3.20e18%`. */
export function formatPercent(share: number | null, digits = 2): string {
  if (share === null || !Number.isFinite(share)) return '–';
  const percent = 100 * share;
  return `${Math.abs(percent) < 1e5 ? minus(percent.toFixed(digits)) : exponent(percent)}%`;
}

/** How many times as large: `0.42×`. */
export function formatRatio(ratio: number): string {
  if (!Number.isFinite(ratio)) return '–';
  return `${ratio >= 99.95 ? ratio.toFixed(0) : ratio.toPrecision(ratio < 0.995 ? 2 : 3)}×`;
}

/** `1 step`, `2 steps`, `12,345 rows`. @param many where it is not the name with an s */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

function exponent(value: number): string {
  return minus(value.toExponential(2).replace('+', ''));
}

function minus(text: string): string {
  return text.replaceAll('-', '−');
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
