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
/** Elements of a row, or of a tensor, that are worked on before they are rounded to bfloat16: they
 * and what they are made from stay in the first-level cache. */
export const ROUNDED_TILE: u32 = 1024;
/** What such a tile has in float32, and what an activation is there. */
export const WIDE_TILE: usize = 0x6000;
export const ACTIVATION_TILE: usize = 0x7000;
/** The left operand, if it has to be transposed. */
export const PACKED_A: usize = 0x10000;
/** The right operand, in panels. */
export const PACKED_B: usize = 0x80000;
/** Blocks of bfloat16 operands in float32, before they are packed. */
export const WIDE_B: usize = 0x100000;
export const WIDE_A: usize = 0x180000;
