const LEVELS = '▁▂▃▄▅▆▇█';
/** What the live line has room for beside its readings. */
const CELLS = 16;

/** A curve in a line of text: each cell is the mean of a part of the values; logarithmic where all
 * are positive. Empty where there are fewer than two. */
export function sparkline(values: readonly number[], cells = CELLS): string {
  const known = values.filter((value) => Number.isFinite(value));
  if (known.length < 2) return '';
  const scaled = known.every((value) => value > 0) ? known.map(Math.log) : known;
  const count = Math.min(cells, scaled.length);
  const means = Array.from({ length: count }, (_, i) => {
    const [from, to] = [i, i + 1].map((each) => Math.floor((each * scaled.length) / count));
    const part = scaled.slice(from, to);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const low = Math.min(...means);
  const span = Math.max(...means) - low;
  return means
    .map((mean) => LEVELS[span > 0 ? Math.round(((mean - low) / span) * (LEVELS.length - 1)) : 0])
    .join('');
}

/** Values as they come, halved where they are many: a run may log for days. */
export class Course {
  readonly #values: number[] = [];
  #stride = 1;
  #seen = 0;

  add(value: number): void {
    if (this.#seen++ % this.#stride !== 0) return;
    this.#values.push(value);
    if (this.#values.length < 1024) return;
    const kept = this.#values.filter((_, i) => i % 2 === 0);
    this.#values.splice(0, this.#values.length, ...kept);
    this.#stride *= 2;
  }

  /** As `sparkline` draws it. */
  get line(): string {
    return sparkline(this.#values);
  }
}
