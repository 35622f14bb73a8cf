import { createLapackSvd } from '../../compression/lapack-svd.js';
import type { HostEngine } from '../../engines/host-engine.js';
import { NativeError } from '../../base/errors.js';
import type { TruncatedSvd } from '../../compression/truncated-svd.js';

/** LAPACK where the BLAS library brings it, and the engine is not one that does without; else the
 * randomised decomposition on the engine. */
export async function createSvd(engine: HostEngine): Promise<TruncatedSvd> {
  if (engine.name === 'blas') {
    try {
      return await createLapackSvd();
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
    }
  }
  const { RandomizedSvd } = await import('../../compression/randomized-svd.js');
  return new RandomizedSvd(engine);
}
