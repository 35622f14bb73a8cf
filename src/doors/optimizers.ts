/**
 * Optimizers, learning-rate schedules and clipping.
 *
 * @module phantom-parallel/optimizers
 */
export { clippingScale } from '../optimizers/clipping.js';
export { createOptimizer, type Optimizer, type OptimizerOptions } from '../optimizers/optimizer.js';
export type { OptimizerName } from '../optimizers/optimizer-list.js';
export type { OptimizerState } from '../optimizers/update.js';
export { learningRateAt, type ScheduleName } from '../optimizers/schedule.js';
