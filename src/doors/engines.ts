/**
 * Engines: the kernels that a training step needs, and their implementations.
 *
 * @module phantom-parallel/engines
 */
export { createEngine, type EngineOptions } from '../app/ranks/engines.js';
export { type Activation, ACTIVATION_NAMES } from '../engines/activations.js';
export type { ElementLoss, ElementLossName } from '../engines/element-losses.js';
export type { AdamStep, Engine, HalfProducts, SgdStep, Slots } from '../engines/engine.js';
export { type BlasEngineOptions, createBlasEngine } from '../engines/blas/blas-engine.js';
export { countingEngine, type FlopCounter } from '../engines/counting/counting-engine.js';
export { type HostEngine, inHostMemory, writeFromHost } from '../engines/host-engine.js';
export { ForwardingEngine } from '../engines/forwarding-engine.js';
export { measureEngine } from '../engines/measure.js';
export {
  createWasmEngine,
  type WasmEngine,
  type WasmEngineOptions,
} from '../engines/wasm/wasm-engine.js';
export type { EngineChoice, EngineName } from '../engines/engine-list.js';
export type { WasmMemory } from '../base/web-assembly.js';
