/**
 * What `compress` takes and reports: ghosts, sizes and errors.
 *
 * @module phantom-parallel/compression
 */
export type {
  CompressedLayer,
  CompressionReport,
  GhostChoice,
  NetworkSize,
} from '../compression/compress.js';
export type { ProbeReport, ProbeResult } from '../compression/probe.js';
