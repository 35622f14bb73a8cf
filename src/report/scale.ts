/** How an axis is scaled. */
export type ScaleKind = 'linear' | 'log' | 'log2';

/** Places values on an axis. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  /** Values that have a mark on the axis, in order. */
  readonly ticks: readonly number[];
  /** Where a value stands, 0 at `low` and 1 at `high`. */
  at(value: number): number;
}

/**
 * A scale that holds all values, with round ends.
 *
 * @param values finite; on a logarithmic scale positive
 * @param wanted about how many ticks there is room for
 */
export function createScale(
  kind: ScaleKind,
  values: readonly number[],
  wanted: number,
  fromZero = false,
): Scale {
  if (kind === 'linear') return linear(values, wanted, fromZero);
  return logarithmic(values, wanted, kind === 'log2' ? 2 : 10);
}

function linear(values: readonly number[], wanted: number, fromZero: boolean): Scale {
  let [low, high] = extent(values, 0, 1);
  if (fromZero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  const largest = Math.max(Math.abs(low), Math.abs(high));
  if (high - low <= 1e-9 * largest) [low, high] = largest === 0 ? [0, 1] : widened(low, largest);
  const step = niceStep((high - low) / Math.max(1, wanted));
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => clean((first + i) * step));
  const [bottom = 0, top = 1] = [ticks[0], ticks.at(-1)];
  return { low: bottom, high: top, ticks, at: (value) => (value - bottom) / (top - bottom) };
}

/** A range around a single value. */
function widened(value: number, size: number): [number, number] {
  const by = size / 2;
  return [value - by, value + by];
}

/** 1, 2 or 5 times a power of ten, at least `rough`. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5].find((factor) => factor * power >= rough * (1 - 1e-9)) ?? 10) * power;
}

/** Within a factor of this, round steps mark a logarithmic axis better than powers do. */
const NARROW = 4;

function logarithmic(values: readonly number[], wanted: number, base: 2 | 10): Scale {
  const [low, high] = extent(values, 1, base);
  const exponent = (value: number) => Math.log(value) / Math.log(base);
  let [first, last] = [Math.floor(exponent(low) + 1e-9), Math.ceil(exponent(high) - 1e-9)];
  if (first === last) [first, last] = [first - 1, last + 1];
  if (base === 10 && high / low < NARROW && high > low) {
    const { ticks } = linear([low, high], wanted, false);
    // Steps as wide as the values begin at 0, which has no logarithm: then powers mark the axis.
    if ((ticks[0] ?? 0) > 0) return ofLogarithms(ticks, ticks.length);
  }
  const within = fineTicks(low, high);
  if (base === 10 && last - first <= 2 && within.length > 2) {
    return ofLogarithms(within, Math.max(2, wanted));
  }
  const stride = Math.max(1, Math.ceil((last - first) / Math.max(1, wanted)));
  last = first + Math.ceil((last - first) / stride) * stride;
  const count = (last - first) / stride + 1;
  return ofLogarithms(
    Array.from({ length: count }, (_, i) => clean(base ** (first + i * stride))),
    count,
  );
}

/** 1, 2 and 5 of each decade, from the last below `low` to the first above `high`. */
function fineTicks(low: number, high: number): number[] {
  const decades = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))] as const;
  const all: number[] = [];
  for (let decade = decades[0]; decade <= decades[1]; decade++) {
    for (const factor of [1, 2, 5]) all.push(clean(factor * 10 ** decade));
  }
  const from = all.findLastIndex((tick) => tick <= low * (1 + 1e-9));
  const to = all.findIndex((tick) => tick >= high * (1 - 1e-9));
  return all.slice(Math.max(0, from), to + 1);
}

function ofLogarithms(marks: readonly number[], wanted: number): Scale {
  const [low = 1, high = 10] = [marks[0], marks.at(-1)];
  const [bottom, top] = [Math.log(low), Math.log(high)];
  const ticks = marks.length > wanted + 3 ? marks.filter((_, i) => i % 2 === 0) : marks;
  return { low, high, ticks, at: (value) => (Math.log(value) - bottom) / (top - bottom) };
}

function extent(values: readonly number[], low: number, high: number): [number, number] {
  if (values.length === 0) return [low, high];
  return [
    values.reduce((least, value) => Math.min(least, value)),
    values.reduce((most, value) => Math.max(most, value)),
  ];
}

/** Without the last bits of an inexact product. */
function clean(value: number): number {
  return Number(value.toPrecision(12));
}
