/**
 * Another number of blocks for a network; and what `compress` takes and reports: ghosts, sizes and
 * errors.
 *
 * @module phantom-parallel/compression
 */
export { reblock, type ReblockOptions, type ReblockReport } from '../app/convert/reblock-model.js';
export type { GhostChoice, Minimized } from '../compression/choices.js';
export type {
  CompressedLayer,
  CompressionReport,
  LayerErrors,
  NetworkSize,
} from '../compression/compress.js';
export type { ProbeReport, ProbeResult } from '../compression/probe.js';
