import { NativeError, UnsupportedError } from '#src/base/errors.js';
import { createBlasEngine } from '#src/engines/blas/blas-engine.js';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { probeBlas } from '#src/native/blas.js';

import { engineContract } from './engine-contract.js';

engineContract('wasm', async () => createWasmEngine());
engineContract('wasm-relaxed', async () => createWasmEngine({ relaxed: true }), {
  skip: await reasonToSkip(async () => createWasmEngine({ relaxed: true })),
});
engineContract('blas', () => createBlasEngine(), {
  skip: await reasonToSkip(() => createBlasEngine()),
});
// The other libraries that there are; several names may lead to the same one.
const usable = (await probeBlas()).candidates.filter((one) => one.usable);
for (const { path } of [...new Map(usable.map((one) => [one.detail, one])).values()].slice(1)) {
  engineContract('blas', () => createBlasEngine({ library: path }), { library: path });
}

/** Why an engine cannot be made here; null if it can, or if it has to (PHANTOM_REQUIRE_NATIVE). */
async function reasonToSkip(make: () => Promise<unknown>): Promise<string | null> {
  if (process.env['PHANTOM_REQUIRE_NATIVE'] === '1') return null;
  try {
    await make();
    return null;
  } catch (error) {
    if (error instanceof NativeError || error instanceof UnsupportedError) return error.message;
    throw error;
  }
}
