// Medians of a step for widths, strategies, formats and graphs, to be held against PyTorch's.
import { type Check, measured } from './check.js';
import { timeDeviceSteps } from './device-step.js';
import { COMPUTES, GRAPHS } from './variants.js';

/** Sizes of the steps, the widest first: it shows the most, should time run out; bench/pytorch_gpu_step.py is given the same. */
const STEP_SIZES = {
  real: { widths: [32_768, 16_384, 8192, 4096], depth: 2, blocks: 8, ghosts: 64, batch: 128 },
  rehearsal: { widths: [32], depth: 1, blocks: 8, ghosts: 2, batch: 4 },
} as const;
const TIMING = {
  real: { warmUp: 5, fewest: 5, budgetMs: 400 },
  rehearsal: { warmUp: 1, fewest: 2, budgetMs: 0 },
} as const;

export async function stepsPart(check: Check): Promise<void> {
  const kind = check.rehearse ? 'rehearsal' : 'real';
  const { widths, ...sizes } = STEP_SIZES[kind];
  for (const width of widths) {
    for (const strategy of ['tensor', 'phantom'] as const) {
      for (const compute of COMPUTES) {
        for (const graphs of GRAPHS) {
          const shape = { strategy, width, compute, graphs, ...sizes };
          const what = { part: 'steps', by: 'phantom-parallel', ...shape };
          await measured(check, what, () => timeDeviceSteps(shape, TIMING[kind]));
        }
      }
    }
  }
}
