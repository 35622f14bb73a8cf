// What the parts of scripts/gpu-check.sh that compute share: sizes, and results as they come.
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

/** How much a part does. */
export interface Check {
  /** Folder of `results.jsonl`. */
  readonly out: string;
  /** On a stand-in, with small sizes: its figures are no measurements. */
  readonly rehearse: boolean;
  /** When to begin nothing more, on the clock of `performance.now`. */
  readonly endsMs: number;
}

export function readCheck(args: string[]): Check {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: 'string', default: '.' },
      rehearse: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '60' },
    },
  });
  const { out, rehearse, seconds } = values;
  return { out, rehearse, endsMs: performance.now() + 1000 * Number(seconds) };
}

/** Adds a line to the results, so that what comes later can fail. */
export function record({ out, rehearse }: Check, result: Readonly<Record<string, unknown>>): void {
  const line = JSON.stringify({ ...result, ...(rehearse && { rehearse }) });
  appendFileSync(path.join(out, 'results.jsonl'), `${line}\n`);
  console.log(line);
}

/** Does one measurement, and records what it gives, why it failed, or that no time was left for it. */
export async function measured(
  check: Check,
  what: Readonly<Record<string, unknown>>,
  work: () => Promise<Readonly<Record<string, unknown>>>,
): Promise<void> {
  if (performance.now() > check.endsMs) {
    record(check, { ...what, failed: 'no time left' });
    return;
  }
  try {
    record(check, { ...what, ...(await work()) });
  } catch (error) {
    record(check, { ...what, failed: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[(sorted.length >> 1) - 1] ?? 0)) / 2;
}
