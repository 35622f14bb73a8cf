import type { EnergySource } from '../meter.js';

/** The GPUs of a machine, and what gives their library back. */
export interface GpuSources {
  readonly sources: readonly EnergySource[];
  readonly close: () => void;
}

/** More than any GPU takes. */
export const MAXIMUM_GPU_W = 3000;

/** The source, as a GPU's. */
export function ofGpu(source: EnergySource): EnergySource {
  return { ...source, isGpu: true };
}

/** The text of a C string's bytes. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? bytes.length : end));
}
