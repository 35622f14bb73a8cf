/** Other words for things, by the name they have here. */
const SYNONYMS: Readonly<Record<string, string>> = {
  learningrate: 'lr',
  rate: 'lr',
  batchsize: 'batch',
  layers: 'depth',
  hidden: 'width',
  hiddensize: 'width',
  dataset: 'data',
  maxsteps: 'steps',
  output: 'out',
  optim: 'optimizer',
  optimiser: 'optimizer',
  standardise: 'standardize',
  workers: 'ranks',
  threads: 'ranks',
  evaluate: 'eval',
  validate: 'eval',
  check: 'doctor',
};

/** Edits (insert, delete, replace, swap of neighbours) that turn one text into the other. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(
        (previous[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (previous[j - 1] as number) + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) edits = Math.min(edits, (before[j - 2] as number) + 1);
      row.push(edits);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] as number;
}

const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '');

/**
 * The candidate that a mistyped name most likely means: the same but for case and hyphens, a
 * synonym, the start of a single candidate, or fewest edits away; null when none is near.
 */
export function nearestName(name: string, candidates: readonly string[]): string | null {
  const wanted = plain(name).slice(0, 64);
  const synonym = SYNONYMS[wanted];
  const known = candidates.find(
    (candidate) => plain(candidate) === wanted || plain(candidate) === synonym,
  );
  if (known !== undefined) return known;
  const starting = candidates.filter((candidate) => plain(candidate).startsWith(wanted));
  if (starting.length === 1 && wanted.length >= 3) return starting[0] as string;

  let nearest: string | null = null;
  let fewest = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const edits = editDistance(wanted, plain(candidate));
    if (edits < fewest) [nearest, fewest] = [candidate, edits];
  }
  return fewest <= Math.max(1, Math.floor(wanted.length / 3)) ? nearest : null;
}

/** `; did you mean width?`, or when nothing is near, what there is to choose from. */
export function hint(name: string, candidates: readonly string[]): string {
  const nearest = nearestName(name, candidates);
  if (nearest !== null) return `; did you mean ${nearest}?`;
  return candidates.length > 9 ? '; see --help' : `; known are ${candidates.join(', ')}`;
}
