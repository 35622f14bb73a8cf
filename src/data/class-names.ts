import { DataError } from '../base/errors.js';
import type { TableAnswers, TableDataset } from './dataset.js';
import { sortedNames } from './readers/raw-table.js';
import type { TableSchema } from './tables/schema.js';

type Labels = Extract<TableAnswers, { kind: 'labels' }>;

/**
 * Gives the labels of all parts the same classes, those of a model or all that occur.
 *
 * @param known names of a model's classes, in their order; null: there is no model
 * @returns the parts, and the names where they are not the indices
 * @throws DataError for a label that the model does not have
 */
export function shareClasses(
  parts: readonly TableDataset[],
  known: readonly string[] | null,
): { readonly parts: TableDataset[]; readonly names: readonly string[] | null } {
  const labels = parts.map(({ answers }) => answers).filter((answers) => answers.kind === 'labels');
  if (labels.length < parts.length) return { parts: [...parts], names: null };
  if (labels.every(({ names }) => names === undefined) && !isNamed(known)) {
    const classes = Math.max(known?.length ?? 0, ...labels.map((own) => own.classes));
    return { parts: parts.map((part) => withLabels(part, { classes })), names: null };
  }
  const names = known ?? sortedNames(new Set(labels.flatMap(namesOf)));
  const shared = parts.map((part) => {
    const { labels: own, ...answers } = part.answers as Labels;
    const places = namesOf({ ...answers, labels: own }).map((name) => names.indexOf(name));
    const renamed = new Int32Array(new SharedArrayBuffer(own.byteLength));
    for (const [row, label] of own.entries()) {
      const place = places[label] ?? -1;
      renamed[row] = place;
      if (place >= 0) continue;
      const name = answers.names?.[label] ?? label;
      const shown = names.length > 8 ? [...names.slice(0, 8), '…'] : names;
      throw new DataError(
        'data',
        `${part.name}: the label of row ${row} is ${name}; the model's classes are ${shown.join(', ')}`,
      );
    }
    return withLabels(part, { classes: names.length, labels: renamed, names });
  });
  return { parts: shared, names };
}

/** Whether classes have names that are not their indices. */
function isNamed(names: readonly string[] | null): boolean {
  return names !== null && names.some((name, i) => name !== String(i));
}

const namesOf = ({ names, classes }: Labels): readonly string[] =>
  names ?? Array.from({ length: classes }, (_, i) => String(i));

function withLabels(part: TableDataset, changes: Partial<Labels>): TableDataset {
  return { ...part, answers: { ...(part.answers as Labels), ...changes } };
}

/** What goes with a run on arrays whose classes have names, so that answers have them too. */
export function schemaOfClasses(
  { x, features }: TableDataset,
  names: readonly string[],
): TableSchema {
  const min = new Float32Array(features).fill(Infinity);
  const max = new Float32Array(features).fill(-Infinity);
  for (let i = 0, f = 0; i < x.length; i++, f = f + 1 === features ? 0 : f + 1) {
    const value = x[i] as number;
    if (value < (min[f] as number)) min[f] = value;
    if (value > (max[f] as number)) max[f] = value;
  }
  return {
    version: 1,
    task: 'classify',
    features: Array.from(min, (least, f) => ({
      name: `x[${f}]`,
      kind: 'number' as const,
      style: null,
      gaps: false,
      median: 0,
      min: least,
      max: max[f] as number,
    })),
    targets: [{ name: 'y', kind: 'class', classes: names }],
    id: null,
    dropped: [],
  };
}
