import {
  createBlasEngine,
  createWasmEngine,
  NativeError,
  UnsupportedError,
} from 'phantom-parallel';

import { engineContract } from './engine-contract.js';

engineContract('wasm', async () => createWasmEngine());
engineContract(
  'wasm-relaxed',
  async () => createWasmEngine({ relaxed: true }),
  await reasonToSkip(async () => createWasmEngine({ relaxed: true })),
);
engineContract('blas', () => createBlasEngine(), await reasonToSkip(() => createBlasEngine()));

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
