import { UnsupportedError } from '../../base/errors.js';
import { memorySize } from '../memory-size.js';
import { elementBytes, elementCount } from '../../tensor/tensor.js';
import type { Dtype, HostTensor } from '../../tensor/tensor.js';
import { KERNEL_RESERVED_BYTES } from './kernels.js';
import { growableMemory, MAXIMUM_PAGES, PAGE_BYTES } from '../../base/web-assembly.js';
import type { WasmMemory } from '../../base/web-assembly.js';

const ALIGNMENT = 64;
// The last page stays unused, so that the end of an array is an address too.
const END = (MAXIMUM_PAGES - 1) * PAGE_BYTES;

/**
 * Tensors one after another in a memory that grows as they are asked for; nothing is given back.
 * Each starts at a multiple of 64 bytes, above what the kernels reserve.
 */
export class Arena {
  readonly memory: WasmMemory = growableMemory(KERNEL_RESERVED_BYTES / PAGE_BYTES);
  readonly capacityBytes = END - KERNEL_RESERVED_BYTES;
  #end = KERNEL_RESERVED_BYTES;

  get allocatedBytes(): number {
    return this.#end - KERNEL_RESERVED_BYTES;
  }

  /** Zero-filled.
   * @throws UnsupportedError when the 4 GiB, or the system's memory, do not hold it */
  allocate(shape: readonly number[], dtype: Dtype): HostTensor | HostTensor<'bfloat16'> {
    const count = elementCount(shape);
    if (!Number.isSafeInteger(count) || shape.some((length) => length < 0)) {
      throw new UnsupportedError('engine memory', `no tensor has the shape [${shape.join(', ')}]`);
    }
    const byteOffset = this.#end;
    const bytes = elementBytes(dtype) * count;
    const end = byteOffset + Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (end > END) throw this.#full(shape, bytes, 'a rank holds at most 4 GiB; use more ranks');
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.memory.grow(Math.ceil(missing / PAGE_BYTES));
      } catch {
        throw this.#full(shape, bytes, 'the system has no more memory for this process');
      }
    }
    this.#end = end;
    const place = { shape: [...shape], length: count, byteOffset };
    const { buffer } = this.memory;
    return dtype === 'bfloat16'
      ? { dtype, ...place, data: new Uint16Array(buffer, byteOffset, count) }
      : { dtype, ...place, data: new Float32Array(buffer, byteOffset, count) };
  }

  #full(shape: readonly number[], bytes: number, why: string): UnsupportedError {
    return new UnsupportedError(
      'engine memory',
      `a tensor [${shape.join(', ')}] takes ${memorySize(bytes)}, ${memorySize(this.allocatedBytes)} of ` +
        `${memorySize(this.capacityBytes)} are in use; ${why}`,
    );
  }
}
