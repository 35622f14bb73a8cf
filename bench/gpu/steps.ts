// Medians of a step for widths, strategies, formats and graphs, to be held against PyTorch's.
import { type Check, measured } from './check.js';
import { openPlace, timeDeviceSteps } from './device-step.js';
import { COMPUTES, GRAPHS } from './variants.js';

/** Sizes of the steps: first the one that has a target of its own, then the widest ones, which show the most, should
 * time run out; bench/pytorch_gpu_step.py has the same. */
const STEP_SIZES = {
  real: { widths: [4096, 32_768, 16_384, 8192], depth: 2, ghosts: 64, batch: 128 },
  rehearsal: { widths: [32], depth: 1, ghosts: 2, batch: 4 },
} as const;
const TIMING = {
  real: { warmUp: 5, fewest: 5, budgetMs: 300 },
  rehearsal: { warmUp: 1, fewest: 2, budgetMs: 0 },
} as const;
const BLOCKS = 8;
/** On one device a tensor-parallel network of one block is the same network with one product in the place of many: the
 * faster of the two is what others are held against. */
export const CONTESTANTS = [
  { strategy: 'tensor', blocks: 1 },
  { strategy: 'tensor', blocks: BLOCKS },
  { strategy: 'phantom', blocks: BLOCKS },
] as const;

export async function stepsPart(check: Check): Promise<void> {
  const kind = check.rehearse ? 'rehearsal' : 'real';
  const { widths, ...sizes } = STEP_SIZES[kind];
  const place = await openPlace();
  try {
    for (const width of widths) {
      for (const contestant of CONTESTANTS) {
        for (const compute of COMPUTES) {
          for (const graphs of GRAPHS) {
            const shape = { ...contestant, width, compute, graphs, ...sizes };
            const what = { part: 'steps', by: 'phantom-parallel', ...shape };
            await measured(check, what, () => timeDeviceSteps(place, shape, TIMING[kind]));
          }
        }
      }
    }
  } finally {
    place.close();
  }
}
