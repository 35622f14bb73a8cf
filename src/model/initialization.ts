import type { Parameter } from '../autograd/tape.js';
import { writeFromHost } from '../engines/host-engine.js';
import { randomStream } from '../tensor/random.js';

/**
 * Which numbers of which random stream a parameter takes: those of its place in a whole matrix.
 *
 * Initial weights are uniform with mean zero and a variance such that, for inputs of the second
 * moment that a layer expects, every pre-activation has variance one, and gradients keep theirs
 * likewise: 1 for the data, E[activation(u)²] with u ~ N(0, 1) after an activation.
 */
export interface InitialDraw {
  /** Of the uniform distribution; zero: the parameter starts at zero. */
  readonly variance: number;
  readonly stream: string;
  readonly row: number;
  readonly column: number;
  /** Width of the whole matrix. */
  readonly columns: number;
}

/** Writes a parameter's initial value, which depends on the seed and the draw alone. */
export function initialize(parameter: Parameter, draw: InitialDraw, seed: number): void {
  const { value, engine } = parameter;
  if (draw.variance === 0) {
    engine.fill(value, 0);
    return;
  }
  const stream = randomStream(seed, draw.stream);
  const bound = Math.sqrt(3 * draw.variance);
  const width = value.shape[1] ?? 1;
  const rows = value.length / width;
  writeFromHost(engine, value, (numbers) => {
    for (let row = 0; row < rows; row++) {
      const first = (draw.row + row) * draw.columns + draw.column;
      stream.fillUniform(numbers.subarray(row * width, (row + 1) * width), first, -bound, bound);
    }
  });
}
