// One rank of the gradient checks.
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

await runRank<CheckRequest>(async ({ data, transport }) => {
  const { storedWhole, columns, normalized } = data;
  const kind = KINDS[data.kind];
  const engine = await createEngine('wasm');
  const communicator = new Communicator(transport);
  const layer = layerSizes(kind, { storedWhole, normalized });
  const { operator, shapes } = layerCase(kind, layer, columns, communicator);
  return checkGradients(operator, shapes, {
    engine,
    communicator,
    replicatedInputs: [kind.input === 'replicated'],
    replicatedOutput: kind.output === 'replicated',
  });
});
