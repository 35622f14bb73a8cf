// Reads what the parts of scripts/gpu-check.sh have recorded, and holds it against its targets.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Check } from './check.js';

/** What must be reached: of cuBLAS's rate; of PyTorch's step, eager, as a graph or compiled, up to this width and above; of the joules of a
 * tensor-parallel step. */
const TARGETS = { products: 0.9, narrow: 0.8, wide: 0.95, energy: 0.55 } as const;
const NARROW = 4096;
/** How a part ends that the machine has nothing for. */
const LEFT_OUT = 77;

type Result = Readonly<Record<string, unknown>>;

/** A line of the summary. */
interface Line {
  readonly what: string;
  readonly value: number | null;
  readonly target: string;
  readonly met: boolean | null;
}

export function summaryPart({ out, rehearse }: Check): void {
  const results = readFileSync(path.join(out, 'results.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .flatMap((line) => parsed(line));
  const lines = summaryOf(results);
  writeFileSync(
    path.join(out, 'summary.json'),
    `${JSON.stringify({ rehearse, lines, results }, null, 1)}\n`,
  );
  if (rehearse) console.log('REHEARSAL on a stand-in: these figures are no measurements.');
  for (const { what, value, target, met } of lines) {
    const shown = value === null ? '-' : value.toPrecision(3);
    const verdict = met === null ? 'not measured' : met ? 'met' : 'MISSED';
    console.log(`${verdict.padEnd(13)}${what.padEnd(88)}${shown.padStart(9)}   ${target}`);
  }
}

/** None of a line that a program which was stopped did not end. */
function parsed(line: string): Result[] {
  try {
    return [JSON.parse(line) as Result];
  } catch {
    return [];
  }
}

/** Every figure that has a target, beside it; then how the parts ended. */
export function summaryOf(results: readonly Result[]): readonly Line[] {
  return [
    ...productLines(results),
    ...stepLines(results),
    energyLine(results),
    ...endings(results),
  ];
}

function productLines(results: readonly Result[]): Line[] {
  const products = ofPart(results, 'products');
  return distinct(products, 'compute').map((compute) => {
    const shares = numbers(
      products.filter((one) => String(one['compute']) === compute),
      'share',
    );
    const what = `products, ${compute}: least share of cuBLAS's rate`;
    return targetLine(what, least(shares), TARGETS.products, 'at least');
  });
}

function stepLines(results: readonly Result[]): Line[] {
  const steps = ofPart(results, 'steps');
  const lines: Line[] = [];
  for (const width of distinct(steps, 'width')) {
    for (const strategy of distinct(steps, 'strategy')) {
      for (const compute of distinct(steps, 'compute')) {
        const best = (by: string) =>
          bestOf(
            steps.filter(
              (one) =>
                String(one['width']) === width &&
                String(one['strategy']) === strategy &&
                String(one['compute']) === compute &&
                one['by'] === by,
            ),
            'stepMs',
          );
        const [ours, theirs] = [best('phantom-parallel'), best('pytorch')];
        const ratio = ours === null || theirs === null ? null : ours.value / theirs.value;
        const target = Number(width) <= NARROW ? TARGETS.narrow : TARGETS.wide;
        const ms = ours === null ? '' : ` (${ours.value.toPrecision(3)} ms${named(ours.of)})`;
        const form = theirs === null ? '' : named(theirs.of);
        const what = `step, ${strategy} N=${width} ${compute}${ms} : the best of PyTorch${form}`;
        lines.push(targetLine(what, ratio, target, 'at most'));
      }
    }
  }
  return lines;
}

function energyLine(results: readonly Result[]): Line {
  const of = (strategy: string) =>
    bestOf(
      ofPart(results, 'energy').filter((one) => one['strategy'] === strategy),
      'stepJ',
    );
  const [phantom, tensor] = [of('phantom'), of('tensor')];
  const ratio = phantom === null || tensor === null ? null : phantom.value / tensor.value;
  const baseline = tensor === null ? '' : named(tensor.of);
  const what = `joules of a step, phantom : the better tensor${baseline}`;
  return targetLine(what, ratio, TARGETS.energy, 'at most');
}

/** One line for each part: how long it took, and whether it ended well. */
function endings(results: readonly Result[]): Line[] {
  return results
    .filter((one) => one['status'] !== undefined)
    .map((one) => ({
      what: `part ${String(one['part'])}: ${String(one['note'])}`,
      value: Number(one['seconds']),
      target: 's',
      met: one['status'] === LEFT_OUT ? null : one['status'] === 0,
    }));
}

function targetLine(
  what: string,
  value: number | null,
  target: number,
  bound: 'at least' | 'at most',
): Line {
  const met = value === null ? null : bound === 'at least' ? value >= target : value <= target;
  return { what, value, target: `${bound} ${target}`, met };
}
function ofPart(results: readonly Result[], part: string): Result[] {
  return results.filter((one) => one['part'] === part && one['status'] === undefined);
}
function distinct(results: readonly Result[], key: string): string[] {
  return [...new Set(results.map((one) => String(one[key])))];
}
function numbers(results: readonly Result[], key: string): number[] {
  return results.flatMap((one) => (typeof one[key] === 'number' ? [one[key]] : []));
}
/** The result that has the least of a figure. */
function bestOf(results: readonly Result[], key: string): { value: number; of: Result } | null {
  let best: { value: number; of: Result } | null = null;
  for (const of of results) {
    const value = of[key];
    if (typeof value === 'number' && !(best !== null && best.value <= value)) best = { value, of };
  }
  return best;
}
/** Which of several ways a result is. */
function named({ blocks, form, way }: Result): string {
  if (typeof blocks === 'number') return `, ${blocks} block${blocks === 1 ? '' : 's'}`;
  return typeof form === 'string' && typeof way === 'string' ? `, ${form} ${way}` : '';
}
function least(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}
