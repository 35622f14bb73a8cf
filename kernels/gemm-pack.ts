import { PACKED_A, PACKED_B } from './workspace';

// Packing: panels of eight columns of the right operand, inner index by inner index, the last
// panel filled up with zeros; and the left operand's rows, if it comes transposed.

/** From b with one inner index a row. */
export function packColumns(b: usize, strideB: u32, columns: u32, inner: u32): void {
  const line = <usize>strideB << 2;
  const panelBytes = <usize>inner << 5;
  const pairs = columns >> 4;
  let to = PACKED_B;
  for (let j: u32 = 0; j < pairs; j++) {
    let from = b + (<usize>j << 6);
    for (const end = to + panelBytes; to < end; to += 32) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      v128.store(to + panelBytes, v128.load(from, 32));
      v128.store(to + panelBytes, v128.load(from, 48), 16);
      from += line;
    }
    to += panelBytes;
  }
  for (let j = pairs << 4; j < columns; j += 8) {
    const width = min<u32>(8, columns - j);
    let from = b + (<usize>j << 2);
    for (const end = to + panelBytes; to < end; to += 32) {
      if (width == 8) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      } else {
        for (let x: u32 = 0; x < 8; x++) {
          store<f32>(to + (<usize>x << 2), x < width ? load<f32>(from + (<usize>x << 2)) : 0);
        }
      }
      from += line;
    }
  }
}

/** From b with one column of the product a row. */
export function packRows(b: usize, strideB: u32, columns: u32, inner: u32): void {
  const line = <usize>strideB << 2;
  const panelBytes = <usize>inner << 5;
  const whole = inner & ~3;
  let to = PACKED_B;
  for (let j: u32 = 0; j < columns; j += 8) {
    const width = min<u32>(8, columns - j);
    const from = b + <usize>j * line;
    let p: u32 = 0;
    if (width == 8) {
      for (; p < whole; p += 4) {
        transpose4(from + (<usize>p << 2), line, to + (<usize>p << 5), 32);
        transpose4(from + 4 * line + (<usize>p << 2), line, to + (<usize>p << 5) + 16, 32);
      }
    }
    for (; p < inner; p++) {
      for (let x: u32 = 0; x < 8; x++) {
        const value = x < width ? load<f32>(from + <usize>x * line + (<usize>p << 2)) : 0;
        store<f32>(to + (<usize>p << 5) + (<usize>x << 2), value);
      }
    }
    to += panelBytes;
  }
}

/** The left operand's rows from its columns: packed[i][p] = a[p][i]. */
export function transpose(a: usize, strideA: u32, inner: u32, rows: u32): void {
  const lineA = <usize>strideA << 2;
  const line = <usize>inner << 2;
  const wholeInner = inner & ~3;
  const wholeRows = rows & ~3;
  for (let p: u32 = 0; p < wholeInner; p += 4) {
    const from = a + <usize>p * lineA;
    const to = PACKED_A + (<usize>p << 2);
    for (let i: u32 = 0; i < wholeRows; i += 4) {
      transpose4(from + (<usize>i << 2), lineA, to + <usize>i * line, line);
    }
  }
  for (let i: u32 = 0; i < rows; i++) {
    for (let p = i < wholeRows ? wholeInner : 0; p < inner; p++) {
      const from = a + <usize>p * lineA + (<usize>i << 2);
      store<f32>(PACKED_A + <usize>i * line + (<usize>p << 2), load<f32>(from));
    }
  }
}

// @ts-ignore: decorator
@inline
function transpose4(from: usize, lineFrom: usize, to: usize, lineTo: usize): void {
  const r0 = v128.load(from);
  const r1 = v128.load(from + lineFrom);
  const r2 = v128.load(from + 2 * lineFrom);
  const r3 = v128.load(from + 3 * lineFrom);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
  v128.store(to + lineTo, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
  v128.store(to + 2 * lineTo, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
  v128.store(to + 3 * lineTo, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
}
