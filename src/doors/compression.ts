/**
 * What `compress` takes and reports: ghosts, sizes and errors.
 *
 * @module phantom-parallel/compression
 */
export type { GhostChoice, Minimized } from '../compression/choices.js';
export type {
  CompressedLayer,
  CompressionReport,
  LayerErrors,
  NetworkSize,
} from '../compression/compress.js';
export type { ProbeReport, ProbeResult } from '../compression/probe.js';
