import { multiplyPanels } from './gemm-block';
import { packColumns, packRows, transpose } from './gemm-pack';
import { widenRows } from './precision';
import { PACKED_A, PACKED_B, TILE, WIDE_A, WIDE_B } from './workspace';

// Most rows, columns and inner elements that are worked on at once. An inner block of the right
// operand's panel (8 columns) and of four rows stay in the first-level cache, a whole block of
// the right operand in the second.
const BLOCK_ROWS: u32 = 128;
const BLOCK_COLUMNS: u32 = 512;
const BLOCK_INNER: u32 = 256;

/**
 * c = alpha · op(a) · op(b) + beta · c; c is m × n, the inner size is k. Strides in elements.
 *
 * Element (i, j) depends on row i, column j, the old element, k, alpha and beta alone: neither
 * the sizes m and n nor addresses change a bit of it.
 *
 * With `half`, a and b are bfloat16 and are widened block by block: the bits are those of the product
 * of the same numbers in float32.
 */
export function gemm(
  transposeA: bool,
  transposeB: bool,
  half: bool,
  m: u32,
  n: u32,
  k: u32,
  alpha: f32,
  a: usize,
  strideA: u32,
  b: usize,
  strideB: u32,
  beta: f32,
  c: usize,
  strideC: u32,
): void {
  if (m == 0 || n == 0) return;
  if (k == 0 || alpha == 0) {
    scaleRows(m, n, beta, c, strideC);
    return;
  }
  // Inner blocks of equal size: a short last block would pay as much for its edges as a long one.
  const innerBlocks = (k + BLOCK_INNER - 1) / BLOCK_INNER;
  const innerStep = ((k + innerBlocks - 1) / innerBlocks + 3) & ~3;
  const rowStep: u32 = transposeA || half ? BLOCK_ROWS : m;

  for (let j: u32 = 0; j < n; j += BLOCK_COLUMNS) {
    const columns = min(BLOCK_COLUMNS, n - j);
    for (let p: u32 = 0; p < k; p += innerStep) {
      const inner = min(innerStep, k - p);
      if (half) {
        const from = b + (transposeB ? at(j, strideB, p) : at(p, strideB, j)) / 2;
        if (transposeB) widenRows(from, strideB, columns, inner, WIDE_B);
        else widenRows(from, strideB, inner, columns, WIDE_B);
        if (transposeB) packRows(WIDE_B, inner, columns, inner);
        else packColumns(WIDE_B, columns, columns, inner);
      } else if (transposeB) packRows(b + at(j, strideB, p), strideB, columns, inner);
      else packColumns(b + at(p, strideB, j), strideB, columns, inner);
      const keep: f32 = p == 0 ? beta : 1;
      for (let i: u32 = 0; i < m; i += rowStep) {
        const rows = min(rowStep, m - i);
        const corner = c + at(i, strideC, j);
        if (half) {
          if (transposeA) {
            widenRows(a + at(p, strideA, i) / 2, strideA, inner, rows, WIDE_A);
            transpose(WIDE_A, rows, inner, rows);
          } else widenRows(a + at(i, strideA, p) / 2, strideA, rows, inner, WIDE_A);
          const from = transposeA ? PACKED_A : WIDE_A;
          block(rows, columns, inner, alpha, from, inner, keep, corner, strideC);
        } else if (transposeA) {
          transpose(a + at(p, strideA, i), strideA, inner, rows);
          block(rows, columns, inner, alpha, PACKED_A, inner, keep, corner, strideC);
        } else {
          block(rows, columns, inner, alpha, a + at(i, strideA, p), strideA, keep, corner, strideC);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function at(row: u32, stride: u32, column: u32): usize {
  return (<usize>row * <usize>stride + <usize>column) << 2;
}

/** c = alpha · a · packed b + beta · c, over four rows at a time. */
function block(
  rows: u32,
  columns: u32,
  inner: u32,
  alpha: f32,
  a: usize,
  strideA: u32,
  beta: f32,
  c: usize,
  strideC: u32,
): void {
  const lineA = <usize>strideA << 2;
  const lineC = <usize>strideC << 2;
  const panelBytes = <usize>inner << 5;
  const wholePanels = columns >> 3;
  const panels = (columns + 7) >> 3;
  for (let i: u32 = 0; i < rows; i += 4) {
    const left = min<u32>(4, rows - i);
    // Rows past the end repeat the last one; what they give is not stored.
    const a0 = a + <usize>i * lineA;
    const a1 = a0 + lineA * min<u32>(1, left - 1);
    const a2 = a0 + lineA * min<u32>(2, left - 1);
    const a3 = a0 + lineA * min<u32>(3, left - 1);
    const row = c + <usize>i * lineC;
    let done: u32 = 0;
    if (left == 4) {
      multiplyPanels(wholePanels, inner, a0, a1, a2, a3, PACKED_B, alpha, beta, row, lineC);
      done = wholePanels;
    }
    for (; done < panels; done++) {
      const b = PACKED_B + <usize>done * panelBytes;
      multiplyPanels(1, inner, a0, a1, a2, a3, b, 1, 0, TILE, 32);
      const width = min<u32>(8, columns - (done << 3));
      storeEdge(left, width, alpha, beta, row + (<usize>done << 5), lineC);
    }
  }
}

function storeEdge(rows: u32, columns: u32, alpha: f32, beta: f32, c: usize, lineC: usize): void {
  for (let i: u32 = 0; i < rows; i++) {
    for (let j: u32 = 0; j < columns; j++) {
      const to = c + <usize>i * lineC + (<usize>j << 2);
      const sum = alpha * load<f32>(TILE + (<usize>i << 5) + (<usize>j << 2));
      store<f32>(to, beta == 0 ? sum : sum + beta * load<f32>(to));
    }
  }
}

function scaleRows(m: u32, n: u32, beta: f32, c: usize, strideC: u32): void {
  if (beta == 1) return;
  for (let i: u32 = 0; i < m; i++) {
    for (let j: u32 = 0; j < n; j++) {
      const to = c + at(i, strideC, j);
      store<f32>(to, beta == 0 ? 0 : beta * load<f32>(to));
    }
  }
}
