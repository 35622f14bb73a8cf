import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { deferringEngine } from '../support/deferring-engine.js';
import { engineContract } from './engine-contract.js';

engineContract('wasm', async () => deferringEngine(createWasmEngine()), {
  library: 'as a device would be',
});
