// One rank of the gradient checks.
import { createEngine } from '#src/app/ranks/engines.js';
import { checkGradients } from '#src/autograd/gradient-check.js';
import { Communicator } from '#src/communicators/communicator.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { blockLayout } from '#src/layers/block-layout.js';
import { ColumnLinear } from '#src/layers/column/operator.js';
import { GatherLinear } from '#src/layers/gather/operator.js';
import { PhantomLinear } from '#src/layers/phantom/operator.js';
import { RowLinear } from '#src/layers/row/operator.js';

export interface CheckRequest {
  readonly kind: 'phantom' | 'gather' | 'column' | 'row';
  readonly blockWidth: number;
  readonly columns: number;
  readonly blocks: number;
  readonly ghosts: number;
}

await runRank<CheckRequest>(async ({ data, transport }) => {
  const { kind, blockWidth: M, columns: B, blocks: P, ghosts: K } = data;
  const engine = await createEngine('wasm');
  const communicator = new Communicator(transport);
  const layout = blockLayout(P, communicator.size, communicator.rank);
  const here = Array.from({ length: layout.blocksHere }, (_, j) => layout.firstBlock + j);
  const x = [here.length * M, B];
  switch (kind) {
    case 'phantom': {
      const weights = [
        [M, M],
        [K, M],
        [M, (P - 1) * K],
      ].flatMap((shape) => here.map(() => shape));
      const operator = new PhantomLinear(kind, layout, M, K);
      return checkGradients(operator, [x, ...weights], { engine, communicator });
    }
    case 'gather': {
      const operator = new GatherLinear(kind, layout, M);
      const weights = here.map(() => [M, P * M]);
      return checkGradients(operator, [x, ...weights], { engine, communicator });
    }
    case 'column': {
      const operator = new ColumnLinear(kind, layout, M, 6);
      const weights = here.map(() => [M, 6]);
      const replicatedInputs = [true];
      return checkGradients(operator, [[6, B], ...weights], {
        engine,
        communicator,
        replicatedInputs,
      });
    }
    case 'row': {
      const rows = here.map((block) => (block === 0 ? { from: 0, count: 6 } : null));
      const operator = new RowLinear(kind, layout, M, 6, rows);
      const biases = rows.flatMap((row) => (row ? [[row.count]] : []));
      // Ranks without a bias take part in the quotients of the one that has it.
      const shapes = [x, ...here.map(() => [6, M]), ...(biases.length > 0 ? biases : [[6]])];
      return checkGradients(operator, shapes, { engine, communicator, replicatedOutput: true });
    }
  }
});
