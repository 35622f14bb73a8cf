import { classNames } from '../../data/tables/schema.js';
import { outputNames, type OutputSource } from '../../models/outputs.js';
import type { PredictionKind } from '../prediction-kinds.js';
import type { AnswerColumn, Answers } from './answer-rows.js';

/** Turns outputs into columns of a file. */
export interface AnswerWriter {
  readonly columns: readonly AnswerColumn[];
  /**
   * @param y [rows, outputs]; may be overwritten
   * @param ids of the rows, where the schema has such a column
   */
  answer(y: Float32Array, ids: readonly (string | null)[] | null): Answers;
}

/**
 * @param of what is predicted: the model, which has a schema where it was trained on a table; the
 *   number of outputs; whether there is a column of ids
 */
export function answerWriter(
  kind: PredictionKind,
  of: { readonly model: OutputSource; readonly outputs: number; readonly ids: boolean },
): AnswerWriter {
  const { model, outputs } = of;
  const { schema } = model;
  const idColumn: AnswerColumn[] = of.ids && schema?.id ? [{ name: schema.id, kind: 'text' }] : [];
  const withIds = (writer: AnswerWriter): AnswerWriter => ({
    columns: [...idColumn, ...writer.columns],
    answer(y, ids) {
      const answers = writer.answer(y, ids);
      if (idColumn.length === 0) return answers;
      const perRow = writer.columns.filter((column) => column.kind === 'text').length;
      const texts = Array.from({ length: answers.rows }, (_, row) => [
        ids?.[row] ?? null,
        ...answers.texts.slice(row * perRow, (row + 1) * perRow),
      ]).flat();
      return { ...answers, texts };
    },
  });
  const classes = schema && classNames(schema);
  if (kind === 'answers' && classes)
    return withIds(inWords(schema.targets[0]?.name ?? '', classes));
  if (kind === 'labels') return withIds(labels(outputs));
  const answers = schema?.targets.flatMap((target) => (target.kind === 'yes-no' ? [target] : []));
  if (kind === 'answers' && answers?.length === outputs) return withIds(yesOrNo(answers));
  const columns = outputNames(model, outputs).map((name) => ({ name, kind: 'real' }) as const);
  return withIds({
    columns,
    answer: (y) => ({
      rows: y.length / outputs,
      numbers: kind === 'probabilities' ? softmax(y, outputs) : y,
      texts: [],
    }),
  });
}

function labels(outputs: number): AnswerWriter {
  return {
    columns: [{ name: 'label', kind: 'integer' }],
    answer: (y) => ({ rows: y.length / outputs, numbers: largest(y, outputs), texts: [] }),
  };
}

/** Of probabilities: the likelier word, and the probability of yes. */
function yesOrNo(
  targets: readonly { readonly name: string; readonly values: readonly string[] }[],
): AnswerWriter {
  return {
    columns: targets.flatMap(({ name }) => [
      { name, kind: 'text' } as const,
      { name: `p(${name})`, kind: 'real' } as const,
    ]),
    answer(y) {
      const wordOf = (p: number, i: number) => targets[i % targets.length]?.values[p < 0.5 ? 0 : 1];
      const texts = Array.from(y, (p, i) => wordOf(p, i) ?? null);
      return { rows: y.length / targets.length, texts, numbers: y };
    },
  };
}

function inWords(name: string, classes: readonly string[]): AnswerWriter {
  return {
    columns: [
      { name, kind: 'text' },
      ...classes.map((own) => ({ name: `p(${own})`, kind: 'real' }) as const),
    ],
    answer(y) {
      const rows = y.length / classes.length;
      const texts = Array.from(largest(y, classes.length), (place) => classes[place] ?? null);
      return { rows, texts, numbers: softmax(y, classes.length) };
    },
  };
}

/** Index of the largest output of each row. */
export function largest(y: Float32Array, outputs: number): Float32Array {
  const places = new Float32Array(y.length / outputs);
  for (let row = 0; row < places.length; row++) {
    let best = 0;
    for (let i = 1; i < outputs; i++) {
      if ((y[row * outputs + i] ?? 0) > (y[row * outputs + best] ?? 0)) best = i;
    }
    places[row] = best;
  }
  return places;
}

/** Softmax of each row, in place. */
function softmax(y: Float32Array, outputs: number): Float32Array {
  for (let first = 0; first < y.length; first += outputs) {
    const row = y.subarray(first, first + outputs);
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (const value of row) sum += Math.exp(value - most);
    for (const [i, value] of row.entries()) row[i] = Math.exp(value - most) / sum;
  }
  return y;
}
