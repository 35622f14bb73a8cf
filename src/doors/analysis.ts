/**
 * A training step derived from its sizes: FLOPs, bytes, memory, time and energy.
 *
 * @module phantom-parallel/analysis
 */
export {
  calibrate,
  type Calibration,
  type CalibrationOptions,
} from '../app/calibrate/calibrate.js';
export {
  type Algorithm,
  type AlphaBeta,
  bestCollective,
  type CollectiveCost,
  collectiveCost,
  type Topology,
} from '../analysis/collectives.js';
export {
  largestPayloadBytes,
  parameterCount,
  stepCost,
  type StepCost,
} from '../analysis/network-cost.js';
export {
  type EnergyRates,
  ghostDominance,
  largestSavingGhosts,
  leastEnergyBlocks,
  leastRankWorkBlocks,
  leastWorkBlocks,
  phantomLayerEnergyJ,
} from '../analysis/crossovers.js';
export { stepEnergy, type StepEnergy } from '../analysis/energy.js';
export type * from '../layers/operations.js';
export { type Plan, planStep, sweepPlans } from '../analysis/plan.js';
export { type CollectiveEstimate, type Rates, ratesOf } from '../analysis/rates.js';
export {
  type Candidate,
  type SearchLimits,
  searchPlans,
  type SearchResult,
} from '../analysis/search.js';
export { rankMemory, type RankMemory } from '../analysis/step-memory.js';
export { stepProgram, type StepShape } from '../analysis/step-program.js';
export { stepTime, type StepTime } from '../analysis/step-time.js';
export type * from '../machine/machine.js';
export { readMachine, writeMachine } from '../machine/machines.js';
export type { CollectiveSize } from '../analysis/collectives.js';
export type { PhantomLayerSizes } from '../analysis/crossovers.js';
export type { Sweep } from '../analysis/plan.js';
export type { CalibrationProgress } from '../app/calibrate/calibration-rank.js';
