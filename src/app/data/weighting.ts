import { type Dataset, isWeighted, type RowTally } from '../../data/dataset.js';
import { IN_MEMORY } from '../../data/arrays.js';
import type { Weighting } from '../../data/loader/batch-options.js';
import { classNames, type TableSchema } from '../../data/tables/schema.js';
import { ConfigError } from '../../base/errors.js';

/**
 * Of rows that are judged: their own weights, where they have some.
 *
 * @throws ConfigError where all weigh 0, and so have no mean
 */
export function judgedWeighting(data: Dataset): Weighting | null {
  if (!isWeighted(data)) return null;
  refuseWeightless(data, 'judged', sum(tallyOf(data, null).weights));
  return { factor: 1, classWeights: null };
}

function refuseWeightless({ name }: Dataset, part: string, total: number): void {
  if (total > 0) return;
  const whose = name === IN_MEMORY ? name : `of ${name}`;
  throw new ConfigError(
    'weights',
    `the ${part} rows ${whose} weigh nothing: their weights sum to 0`,
  );
}

const sum = (values: readonly number[]) => values.reduce((total, own) => total + own, 0);

/**
 * How much the samples of training count: their own weights times those of their classes, divided by
 * the mean of that over the training rows, so that losses and gradients keep their size.
 *
 * @param asked `balanced`, or weights by class as in `a=1,b=2`: 1 where nothing is said; or null
 * @throws ConfigError for classes that the data do not have
 */
export function trainingWeighting(
  data: Dataset,
  schema: TableSchema | null,
  asked: string | null,
): Weighting | null {
  if (asked === null && !isWeighted(data)) return null;
  const { rows, weights } = tallyOf(data, asked);
  const count = sum(rows);
  const names = (schema && classNames(schema)) ?? rows.map((_, i) => String(i));
  const classWeights =
    asked === null
      ? null
      : asked === 'balanced'
        ? rows.map((own) => (own === 0 ? 0 : count / (rows.length * own)))
        : parseWeights(asked, names);
  const total = sum(weights.map((own, i) => own * (classWeights?.[i] ?? 1)));
  refuseWeightless(data, 'training', total);
  return { factor: count / total, classWeights };
}

function tallyOf({ name, ...data }: Dataset, asked: string | null): RowTally {
  const { answers } = data;
  if (asked !== null && answers.kind !== 'labels') {
    throw new ConfigError('class-weights', `${name} has no classes; --weight-column weighs rows`);
  }
  if (data.kind === 'records') return data.tally;
  if (data.kind !== 'table') {
    throw new ConfigError('class-weights', `${name}: rows are generated and cannot be counted`);
  }
  const classes = data.answers.kind === 'labels' ? data.answers.classes : 1;
  const rows = Array.from({ length: classes }, () => 0);
  const weights = rows.slice();
  for (let row = 0; row < data.rows; row++) {
    const label = data.answers.kind === 'labels' ? (data.answers.labels[row] as number) : 0;
    rows[label] = (rows[label] ?? 0) + 1;
    weights[label] = (weights[label] ?? 0) + (data.weights?.[row] ?? 1);
  }
  return { rows, weights };
}

function parseWeights(asked: string, names: readonly string[]): number[] {
  const weights = names.map(() => 1);
  for (const pair of asked.split(',')) {
    const at = pair.lastIndexOf('=');
    const [name, text] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    const place = names.indexOf(name);
    const weight = text === '' ? Number.NaN : Number(text);
    if (at < 0 || place < 0 || !(weight >= 0 && Number.isFinite(weight))) {
      const known = names.length > 12 ? [...names.slice(0, 12), '…'] : names;
      throw new ConfigError(
        'class-weights',
        `${JSON.stringify(pair)}; give balanced, or a weight of at least 0 by class, as in ` +
          `${names[0]}=2; classes are ${known.join(', ')}`,
      );
    }
    weights[place] = weight;
  }
  return weights;
}
