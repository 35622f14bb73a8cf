/** Of columns that a model has no use for. */
export function unusedNote(names: readonly string[]): string {
  return `columns that are not used: ${names.join(', ')}`;
}

/** Of cells of a category that no row of training had; the network is given none for them. */
export function unknownNote(column: string, cells: number, sample: string): string {
  const what = `${cells} ${cells === 1 ? 'cell' : 'cells'} of ${column}`;
  return `${what} with a category that training did not have, such as ${JSON.stringify(sample)}`;
}
