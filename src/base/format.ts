const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const SMALL_PREFIXES = ['', 'm', 'µ', 'n', 'p'];
/** Layers that are told one by one. */
const MOST_LISTED = 12;

/** Three digits and an SI prefix: `1.21 GFLOP`, `3.10 MB`, `0 B`, `5.26 M`. */
export function formatSi(value: number, unit = ''): string {
  if (!Number.isFinite(value)) return `${value} ${unit}`.trimEnd();
  let scaled = value;
  let power = 0;
  while (Math.abs(scaled) >= 999.5 && power < PREFIXES.length - 1) {
    scaled /= 1000;
    power++;
  }
  const text = power === 0 && Number.isInteger(scaled) ? String(scaled) : threeDigits(scaled);
  return `${text} ${PREFIXES[power]}${unit}`.trimEnd();
}

/** The same for what can be a small part of its unit: `12.3 mJ`, `45.0 µWh`. */
export function formatQuantity(value: number, unit: string): string {
  let scaled = value;
  let power = 0;
  while (scaled !== 0 && Math.abs(scaled) < 0.9995 && power < SMALL_PREFIXES.length - 1) {
    scaled *= 1000;
    power++;
  }
  if (power === 0) return formatSi(value, unit);
  return `${threeDigits(scaled)} ${SMALL_PREFIXES[power]}${unit}`;
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

/** A share as a percentage: `87.65%`. */
export function formatPercent(share: number | null, digits = 2): string {
  return share === null ? '–' : `${(100 * share).toFixed(digits)}%`;
}

/** How many times as large: `0.42×`. */
export function formatRatio(ratio: number): string {
  if (!Number.isFinite(ratio)) return '–';
  return `${ratio >= 99.95 ? ratio.toFixed(0) : ratio.toPrecision(ratio < 0.995 ? 2 : 3)}×`;
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
