/**
 * A dense float32 array in the memory of one engine, row-major and contiguous.
 *
 * `byteOffset` is the address inside that memory; kernels take it, so that no view is made while
 * a step runs. `data` is the same storage for code that reads or writes from JavaScript.
 */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly byteOffset: number;
}

/** A rectangle inside a row-major tensor: what a matrix product reads or writes. */
export interface Matrix {
  readonly byteOffset: number;
  readonly rows: number;
  readonly columns: number;
  /** Distance between the starts of two rows, in elements (the leading dimension). */
  readonly stride: number;
}

/** Bytes in the memory of one engine, at any address. */
export interface Bytes {
  readonly data: Uint8Array;
  readonly byteOffset: number;
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The whole of a two-dimensional tensor as a matrix. */
export function asMatrix(tensor: Tensor): Matrix {
  const [rows = 1, columns = 1] = tensor.shape;
  return { byteOffset: tensor.byteOffset, rows, columns, stride: columns };
}

/** The first `count` bytes of a tensor's storage, for what is not float32. */
export function asBytes({ data, byteOffset }: Tensor, count: number): Bytes {
  return { data: new Uint8Array(data.buffer, data.byteOffset, count), byteOffset };
}

/** Bytes `from … from + count − 1`. */
export function byteRange(bytes: Bytes, from: number, count: number): Bytes {
  return {
    data: bytes.data.subarray(from, from + count),
    byteOffset: bytes.byteOffset + from,
  };
}

/** Rows `from … from + count − 1` of a matrix. */
export function matrixRows(matrix: Matrix, from: number, count: number): Matrix {
  return { ...matrix, byteOffset: matrix.byteOffset + 4 * from * matrix.stride, rows: count };
}

/** Columns `from … from + count − 1` of a matrix. */
export function matrixColumns(matrix: Matrix, from: number, count: number): Matrix {
  return { ...matrix, byteOffset: matrix.byteOffset + 4 * from, columns: count };
}

/** Rows `from … from + count − 1` of a tensor of one or two dimensions, on the same storage. */
export function tensorRows(tensor: Tensor, from: number, count: number): Tensor {
  const width = tensor.shape[1] ?? 1;
  return {
    shape: tensor.shape.length === 1 ? [count] : [count, width],
    data: tensor.data.subarray(from * width, (from + count) * width),
    byteOffset: tensor.byteOffset + 4 * from * width,
  };
}

/** A tensor of this shape on the storage of another, from its element `from` on. */
export function tensorPart(tensor: Tensor, from: number, shape: readonly number[]): Tensor {
  return {
    shape,
    data: tensor.data.subarray(from, from + elementCount(shape)),
    byteOffset: tensor.byteOffset + 4 * from,
  };
}
