// One rank of the gradient checks, of one layer after another.
import { createEngine } from '#src/app/ranks/engines.js';
import { checkGradients } from '#src/autograd/gradient-check.js';
import { Communicator } from '#src/communicators/communicator.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { KINDS } from '#src/layers/kinds.js';
import type { KindName } from '#src/layers/outlines.js';
import { layerCase, layerSizes } from './layer-case.js';

export interface CheckRequest {
  readonly kind: KindName;
  readonly storedWhole: boolean;
  readonly columns: number;
  readonly normalized: boolean;
}

await runRank<readonly CheckRequest[]>(async ({ data, transport }) => {
  const engine = await createEngine('wasm');
  const communicator = new Communicator(transport);
  return data.map(({ kind: name, storedWhole, columns, normalized }) => {
    const kind = KINDS[name];
    const layer = layerSizes(kind, { storedWhole, normalized });
    const { operator, shapes } = layerCase(kind, layer, columns, communicator);
    return checkGradients(operator, shapes, {
      engine,
      communicator,
      replicatedInputs: [kind.input === 'replicated'],
      replicatedOutput: kind.output === 'replicated',
    });
  });
});
