import { PhantomError } from '#src/base/errors.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';

/** Why tests on a GPU cannot run here. Null where they can, and where they have to (PHANTOM_REQUIRE_GPU=1): then
 * they fail without one. */
export async function reasonToSkipGpu(): Promise<string | null> {
  if (process.env['PHANTOM_REQUIRE_GPU'] === '1') return null;
  try {
    (await createCudaEngine()).close();
    return null;
  } catch (error) {
    if (!(error instanceof PhantomError)) throw error;
    return `no GPU that can be used: ${error.message}`;
  }
}
