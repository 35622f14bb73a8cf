import { randomStream } from '#src/tensor/random.js';

/** Rows whose labels follow from nothing: what fits some answers others worse and worse. */
function noise(name: string) {
  const stream = randomStream(1, name);
  const x = Array.from({ length: 24 }, (_, row) =>
    Array.from({ length: 4 }, (_value, column) => stream.normal(5 * row + column)),
  );
  return { x, y: x.map((_, row) => Number(stream.normal(5 * row + 4) > 0)) };
}

/** For training and for validation. */
export const NOISE = { data: noise('training'), validation: noise('validation') };
