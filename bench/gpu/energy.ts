// Joules of windows of steps at equal width, by the GPU's own counter.
import { createMeter } from '#src/app/ranks/meters.js';
import { metered } from '#src/energy/metered.js';
import { type Check, measured } from './check.js';
import { openPlace, withSteps } from './device-step.js';
import { CONTESTANTS } from './steps.js';
import { GRAPHS } from './variants.js';

const SHAPE = {
  real: { width: 16_384, depth: 2, ghosts: 64, batch: 128 },
  rehearsal: { width: 32, depth: 1, ghosts: 2, batch: 4 },
} as const;
/** First phantom and one baseline, so that there is a ratio should time run out. */
const [DENSE, IN_BLOCKS, PHANTOM] = CONTESTANTS;
const WINDOWS = [
  { contestant: PHANTOM, real: 30_000, rehearsal: 500 },
  { contestant: DENSE, real: 30_000, rehearsal: 500 },
  { contestant: IN_BLOCKS, real: 10_000, rehearsal: 500 },
] as const;
/** Clocks and temperature settle. */
const WARM_UP_MS = { real: 2000, rehearsal: 20 } as const;

export async function energyPart(check: Check): Promise<void> {
  const kind = check.rehearse ? 'rehearsal' : 'real';
  const meter = await createMeter({ choice: 'nvml', machine: 'default' });
  const place = await openPlace();
  try {
    for (const { contestant, [kind]: windowMs } of WINDOWS) {
      const shape = {
        ...contestant,
        compute: 'float32',
        graphs: GRAPHS.includes(true),
        ...SHAPE[kind],
      };
      const what = { part: 'energy', by: meter.description, ...shape };
      await measured(check, what, () =>
        withSteps(place, shape, async (step, engine) => {
          const during = (ms: number) => {
            const begun = performance.now();
            let steps = 0;
            while (performance.now() - begun < ms) {
              step();
              steps++;
              meter.sample();
            }
            engine.synchronize();
            return steps;
          };
          during(WARM_UP_MS[kind]);
          const window = async () => during(windowMs);
          const { result: steps, reading } = await metered(meter, contestant.strategy, window);
          const { energyJ, elapsedS, obtained, problem } = reading;
          if (energyJ === null) throw new Error(problem ?? 'no energy');
          const stepJ = energyJ / steps;
          return { obtained, energyJ, elapsedS, steps, stepJ, powerW: energyJ / elapsedS };
        }),
      );
    }
  } finally {
    place.close();
    meter.close();
  }
}
