// What this build's CUDA engine can be asked for.
import type { EngineOptions } from '#src/app/ranks/engines.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { SETTINGS } from '#src/settings/keys.js';

/** How products are computed, and whether a step is replayed as a graph. */
export interface Variant {
  readonly compute: string;
  readonly graphs: boolean;
}

const COMPUTE: readonly string[] = SETTINGS.compute.choices;

/** Those of `float32`, `tf32` and `bfloat16` that there are. */
export const COMPUTES = ['float32', 'tf32', 'bfloat16'].filter((name) => COMPUTE.includes(name));
/** Graphs came with TF32. */
export const GRAPHS: readonly boolean[] = COMPUTE.includes('tf32') ? [true, false] : [false];

/** A network and an engine of a variant. */
export function withVariant(
  plain: NetworkSpecification,
  { compute, graphs }: Variant,
): { specification: NetworkSpecification; engineOptions: EngineOptions } {
  const specification = compute === 'bfloat16' ? { ...plain, compute: 'bfloat16' as const } : plain;
  // What is in the environment when an engine is made counts.
  process.env['PHANTOM_CUDA_GRAPHS'] = graphs ? 'on' : 'off';
  return { specification, engineOptions: { compute } as EngineOptions };
}
