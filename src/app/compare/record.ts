import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from '../../base/errors.js';
import { isSystemError, replaceFile } from '../../base/files.js';
import { readSmall } from '../../base/regular-file.js';
import type { Outcome } from './outcome.js';
import type { Budget, Entry, Findings } from './study.js';
import type { TextTable } from '../../report/page-data.js';

const FORMAT = 'phantom-parallel comparison';
const MOST_BYTES = 1 << 28;

/** `compare.json`: every run that is done, and what was found from them. */
export interface ComparisonRecord {
  readonly format: typeof FORMAT;
  readonly version: 1;
  /** Of everything that the runs' numbers depend on. */
  readonly hash: string;
  readonly settings: object;
  readonly budget: Budget & { readonly ghosts: readonly number[] };
  readonly machine: object;
  /** Contestants, rates and what was found of them; the numbers are in the runs. */
  readonly findings: object | null;
  readonly tables: readonly TextTable[];
  readonly runs: readonly Outcome[];
}

/** SHA-256 of what makes two comparisons the same one; a longer search or more seeds go on. */
export function comparisonHash(settings: object): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex');
}

/**
 * The runs that a comparison in this folder has done; none where there is no comparison yet.
 *
 * @throws ConfigError when it is another comparison, or cannot be read
 */
export function runsDone(folder: string, hash: string): readonly Outcome[] {
  const file = path.join(folder, 'compare.json');
  if (!existsSync(file)) return [];
  const record = readComparison(file);
  if (record.hash === hash) return record.runs;
  throw new ConfigError(
    'compare',
    `${file} is a comparison with other settings; choose another --out, or remove it`,
  );
}

/** @throws ConfigError when the file holds no comparison of this version */
function readComparison(file: string): ComparisonRecord {
  let parsed: Partial<ComparisonRecord> | null;
  try {
    parsed = JSON.parse(
      readSmall(file, MOST_BYTES).toString('utf8'),
    ) as Partial<ComparisonRecord> | null;
  } catch (error) {
    const what = isSystemError(error) ? error.message : 'not JSON; it is damaged, remove it';
    throw new ConfigError('compare', `${file}: ${what}`);
  }
  if (parsed?.format !== FORMAT || parsed.version !== 1 || !Array.isArray(parsed.runs)) {
    throw new ConfigError('compare', `${file}: not a comparison of this version; remove it`);
  }
  const damaged = parsed.runs.findIndex((run) => !isOutcome(run));
  if (damaged >= 0) {
    throw new ConfigError('compare', `${file}: run ${damaged + 1} is damaged; remove its line`);
  }
  return parsed as ComparisonRecord;
}

function isOutcome(run: unknown): boolean {
  if (typeof run !== 'object' || run === null) return false;
  const { contestant, rate, seed, target, steps, validations, failure } = run as Partial<Outcome>;
  const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value);
  return (
    typeof contestant === 'string' &&
    [rate, seed, steps].every(isNumber) &&
    (target === null || isNumber(target)) &&
    (failure === null || typeof failure === 'string') &&
    Array.isArray(validations) &&
    validations.every((pair) => Array.isArray(pair) && pair.every(isNumber))
  );
}

/** Writes `compare.json`, whole, a run a line. */
export function writeComparison(
  folder: string,
  record: Omit<ComparisonRecord, 'format' | 'version'>,
): void {
  const { runs, ...rest } = record;
  const head = Object.entries({ format: FORMAT, version: 1, ...rest }).map(
    ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)},\n`,
  );
  const lines = runs.map((run) => JSON.stringify(run)).join(',\n');
  replaceFile(path.join(folder, 'compare.json'), `{${head.join('')}"runs":[\n${lines}\n]}\n`);
}

/** Findings without the outcomes, which are the record's runs. */
export function withoutOutcomes(findings: Findings): object {
  const short = (entries: readonly Entry[] | null) =>
    entries?.map(({ contestant, rate }) => ({ contestant, rate })) ?? null;
  const { equalWidth, equalParameters, toTarget, ...rest } = findings;
  return {
    ...rest,
    equalWidth: short(equalWidth),
    equalParameters: short(equalParameters),
    toTarget: short(toTarget),
  };
}
