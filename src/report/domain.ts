import type { Axis } from './figure.js';

/** Beyond it numbers are no measurements, and differences of them overflow. */
const LARGEST = 1e100;

/** Whether a value has a place on an axis: a logarithmic one has none for zero. */
export function fits({ scale = 'linear' }: Axis, value: number): boolean {
  if (!(Math.abs(value) <= LARGEST)) return false;
  return scale === 'linear' || value >= 1 / LARGEST;
}

/**
 * The range of an axis over some series. One that goes far beyond what the others do, as a run that
 * diverged, does not stretch it, unless the axis is to be `whole`: what is outside is for arrows.
 *
 * @param series values that fit the axis
 */
export function robustDomain(
  axis: Axis,
  series: readonly (readonly number[])[],
): readonly [low: number, high: number] {
  const isLinear = (axis.scale ?? 'linear') === 'linear';
  const into = isLinear ? (value: number) => value : Math.log;
  const lows: number[] = [];
  const highs: number[] = [];
  for (const values of series) {
    if (values.length === 0) continue;
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    lows.push(low);
    highs.push(high);
  }
  if (lows.length === 0) return isLinear ? [0, 1] : [1, 10];
  const reach = axis.whole ? Infinity : 2;
  const usualHigh = highs.toSorted((a, b) => a - b)[(highs.length - 1) >> 1] ?? 0;
  const usualLow = lows.toSorted((a, b) => a - b)[lows.length >> 1] ?? 0;
  const least = isLinear ? Math.abs(usualHigh) : Math.log(4);
  const span = Math.max(into(usualHigh) - into(usualLow), least, 1e-12);
  const high = Math.max(...highs.filter((each) => into(each) <= into(usualHigh) + reach * span));
  const low = Math.min(...lows.filter((each) => into(each) >= into(usualLow) - reach * span));
  // Almost one value stands in the middle.
  const isOne = high - low <= 1e-6 * Math.abs(high);
  if (!isLinear) return isOne ? [low / 2, high * 2] : [low, high];
  if (axis.fromZero) return [Math.min(0, low), high === 0 ? 1 : isOne ? 1.1 * high : high];
  if (!isOne) return [low, high];
  const around = Math.max(Math.abs(high) / 10, 1e-12);
  return [low - around, high + around];
}
