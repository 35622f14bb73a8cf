// The low megabytes of every memory belong to the kernels; `KERNEL_RESERVED_BYTES` of
// src/engines/wasm/kernels.ts states their size. Nothing here survives a call.

/** Accumulators of one register block, for blocks at the edges of a product. */
export const TILE: usize = 4096;
/** The last elements of a tensor whose length is no multiple of a vector's. */
export const SCRATCH: usize = 4608;
/** Vectors of one value each. */
export const CONSTANTS: usize = 5120;
/** Per-column state of the classification loss. */
export const COLUMNS: usize = 8192;
/** How many columns that state covers at once. */
export const COLUMN_TILE: u32 = 1024;
/** The left operand, if it has to be transposed. */
export const PACKED_A: usize = 0x10000;
/** The right operand, in panels. */
export const PACKED_B: usize = 0x80000;
