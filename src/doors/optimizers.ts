/** Optimizers, learning-rate schedules and clipping. */
export { clippingScale } from '../optimizers/clipping.js';
export {
  createOptimizer,
  type Optimizer,
  type OptimizerName,
  type OptimizerOptions,
  type OptimizerState,
} from '../optimizers/optimizer.js';
export { learningRateAt, type ScheduleName } from '../optimizers/schedule.js';
