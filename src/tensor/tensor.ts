import { ShapeError } from '../base/errors.js';

/** How numbers lie in memory: float32, or the upper half of one, rounded to nearest, ties to even. */
export const DTYPES = ['float32', 'bfloat16'] as const;
/** One of `DTYPES`. */
export type Dtype = (typeof DTYPES)[number];

/** Bytes of one number. */
export function elementBytes(dtype: Dtype): 2 | 4 {
  return dtype === 'bfloat16' ? 2 : 4;
}

/** What a region of an engine's memory holds, and what a host has the same in: of bfloat16 its bits. */
export interface HostArrays {
  readonly float32: Float32Array;
  readonly bfloat16: Uint16Array;
  readonly bytes: Uint8Array;
}
/** The name of what a region holds: a dtype, or bytes. */
export type ElementType = keyof HostArrays;

/**
 * Consecutive elements in the memory of one engine.
 *
 * `byteOffset` is the address inside that memory; kernels take it, so that no view is made while
 * a step runs. Whether the host can reach it, the engine knows: `Engine.toHost` and `toDevice` copy.
 */
export interface Region<T extends ElementType = ElementType> {
  readonly dtype: T;
  /** Elements. */
  readonly length: number;
  readonly byteOffset: number;
}

/** A dense array, row-major and contiguous; of float32, unless its type says otherwise. */
export interface Tensor<D extends Dtype = 'float32'> extends Region<D> {
  readonly shape: readonly number[];
}

/** A region that the host can reach: the engine's memory is the host's. Kernels are done when their calls
 * return, and `data` is the same storage. */
export interface HostRegion<T extends ElementType = ElementType> extends Region<T> {
  readonly data: HostArrays[T];
}
/** A tensor whose elements the host can reach, in `data`. */
export type HostTensor<D extends Dtype = 'float32'> = Tensor<D> & HostRegion<D>;

/** The storage of a region, where the host can reach it; else null. */
export function hostView<T extends ElementType>(region: Region<T>): HostArrays[T] | null {
  return 'data' in region ? (region as HostRegion<T>).data : null;
}

/** A tensor of either kind: an operand of matrix products. */
export type AnyTensor = Tensor | Tensor<'bfloat16'>;

/** A rectangle inside a row-major tensor: what a matrix product reads or writes. */
export interface Matrix {
  readonly dtype: Dtype;
  readonly byteOffset: number;
  readonly rows: number;
  readonly columns: number;
  /** Distance between the starts of two rows, in elements (the leading dimension). */
  readonly stride: number;
}

/** Bytes in the memory of one engine, at any address. */
export type Bytes = Region<'bytes'>;

/** Where a parameter is in the full matrix that a checkpoint holds under its name. */
export interface ParameterSlice {
  readonly shape: readonly number[];
  /** First row and first column of this part. */
  readonly row: number;
  readonly column: number;
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The tensor where it is float32. @throws ShapeError where it is not */
export function float32(tensor: AnyTensor): Tensor {
  if (tensor.dtype === 'float32') return tensor;
  throw new ShapeError('tensor', `[${tensor.shape.join(', ')}] is bfloat16; float32 is needed`);
}

/** What a product's operands are. @throws ShapeError where they differ */
export function operandDtype(a: Matrix, b: Matrix): Dtype {
  if (a.dtype === b.dtype) return a.dtype;
  throw new ShapeError('product', `a ${a.dtype} times a ${b.dtype} matrix; both have one dtype`);
}

/** The whole of a two-dimensional tensor as a matrix. */
export function asMatrix(tensor: AnyTensor): Matrix {
  const [rows = 1, columns = 1] = tensor.shape;
  const { dtype, byteOffset } = tensor;
  return { dtype, byteOffset, rows, columns, stride: columns };
}

/** The first `count` bytes of a tensor's storage, for what is not numbers of its kind.
 * @throws ShapeError past its end */
export function asBytes(tensor: AnyTensor, count: number): Bytes {
  within('bytes', 0, count, elementBytes(tensor.dtype) * tensor.length);
  const bytes: Bytes = { dtype: 'bytes', length: count, byteOffset: tensor.byteOffset };
  const view = hostView<Dtype>(tensor);
  return view ? withData(bytes, new Uint8Array(view.buffer, view.byteOffset, count)) : bytes;
}

/** All bytes of a tensor. */
export function bytesOf(tensor: AnyTensor): Bytes {
  return asBytes(tensor, elementBytes(tensor.dtype) * tensor.length);
}

/** A tensor of bfloat16 numbers on the first bytes of another's storage. @throws ShapeError past its end */
export function asBfloat16(tensor: Tensor, shape: readonly number[]): Tensor<'bfloat16'> {
  const [length, { byteOffset }] = [elementCount(shape), tensor];
  within('bfloat16 numbers', 0, length, 2 * tensor.length);
  const halves: Tensor<'bfloat16'> = { dtype: 'bfloat16', shape, length, byteOffset };
  const view = hostView(tensor);
  return view ? withData(halves, new Uint16Array(view.buffer, view.byteOffset, length)) : halves;
}

/** Bytes `from … from + count − 1`. @throws ShapeError past the end */
export function byteRange(bytes: Bytes, from: number, count: number): Bytes {
  within('bytes', from, count, bytes.length);
  const part: Bytes = { dtype: 'bytes', length: count, byteOffset: bytes.byteOffset + from };
  const view = hostView(bytes);
  return view ? withData(part, view.subarray(from, from + count)) : part;
}

/** Rows `from … from + count − 1` of a matrix. */
export function matrixRows(matrix: Matrix, from: number, count: number): Matrix {
  const bytes = elementBytes(matrix.dtype) * from * matrix.stride;
  return { ...matrix, byteOffset: matrix.byteOffset + bytes, rows: count };
}

/** Columns `from … from + count − 1` of a matrix. */
export function matrixColumns(matrix: Matrix, from: number, count: number): Matrix {
  const bytes = elementBytes(matrix.dtype) * from;
  return { ...matrix, byteOffset: matrix.byteOffset + bytes, columns: count };
}

/** Rows `from … from + count − 1` of a tensor of one or two dimensions, on the same storage.
 * @throws ShapeError past its end */
export function tensorRows<T extends AnyTensor>(tensor: T, from: number, count: number): T {
  const width = tensor.shape[1] ?? 1;
  return tensorPart(tensor, from * width, tensor.shape.length === 1 ? [count] : [count, width]);
}

/** A tensor of this shape on the storage of another, from its element `from` on.
 * @throws ShapeError past its end */
export function tensorPart<T extends AnyTensor>(
  tensor: T,
  from: number,
  shape: readonly number[],
): T {
  const length = elementCount(shape);
  within('elements', from, length, tensor.length);
  const byteOffset = tensor.byteOffset + elementBytes(tensor.dtype) * from;
  const part = { ...tensor, shape, length, byteOffset };
  const view = hostView<Dtype>(tensor);
  return view ? withData(part, view.subarray(from, from + length)) : part;
}

/** Kernels trust the length of a region: what lies past the end is another's. */
function within(what: string, from: number, count: number, length: number): void {
  if (from >= 0 && count >= 0 && from + count <= length) return;
  throw new ShapeError(
    'tensor',
    `${count} ${what} from ${from} on, of ${length}; needs a part of them`,
  );
}

function withData<R extends Region>(region: R, data: HostArrays[ElementType]): R {
  return { ...region, data };
}
