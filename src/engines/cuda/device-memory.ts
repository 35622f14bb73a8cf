import { UnsupportedError } from '../../base/errors.js';
import type { PhaseClock } from '../../base/phases.js';
import type { PeerCopies } from '../../tensor/peer-copies.js';
import type { IdleClock, PendingCopy, RegionCopies } from '../../tensor/region-copies.js';
import {
  type AnyTensor,
  type Dtype,
  elementBytes,
  elementCount,
  type ElementType,
  type HostArrays,
  type Region,
  type Tensor,
} from '../../tensor/tensor.js';
import type { Slots } from '../engine.js';
import { sameLength } from '../same-length.js';
import { CHUNK_BYTES, type DeviceArena } from './arena.js';
import type { CallCounts, Calls } from './calls.js';
import type { Device } from './device.js';
import { IdleTime } from './idle-time.js';
import type { Launcher } from './kernel-launcher.js';
import type { DevicePeers } from './peers.js';
import { type Products, WORKSPACE_BYTES } from './products.js';
import type { Staging } from './staging.js';
import { StreamPhases } from './stream-phases.js';
import { Sums } from './sums.js';

/** What the engine of a device is made of. */
export interface DeviceParts {
  readonly device: Device;
  readonly arena: DeviceArena;
  readonly calls: Calls;
  readonly launcher: Launcher;
  readonly products: Products;
  readonly sums: Sums;
  readonly staging: Staging;
  /** null: nobody is to copy from the device's memory. */
  readonly peers: DevicePeers | null;
  readonly onWarning: (message: string) => void;
}

/** Tensors and slots in the memory of a device, and copies of them. */
export class DeviceMemory implements RegionCopies {
  readonly idle: IdleClock;
  readonly #device: Device;
  readonly #calls: Calls;
  readonly #arena: DeviceArena;
  readonly #products: Products;
  readonly #sums: Sums;
  readonly #staging: Staging;
  #phases: StreamPhases | null = null;
  readonly #peers: DevicePeers | null;
  readonly #onWarning: (message: string) => void;

  constructor(parts: DeviceParts) {
    const { device, arena, calls, products, sums, staging, peers } = parts;
    this.idle = new IdleTime(device, calls);
    this.#device = device;
    this.#calls = calls;
    this.#arena = arena;
    this.#products = products;
    this.#sums = sums;
    this.#staging = staging;
    this.#peers = peers;
    this.#onWarning = parts.onWarning;
  }

  get peers(): PeerCopies | null {
    return this.#peers;
  }

  get devices(): number {
    return this.#device.count;
  }
  /** How calls have reached the device. */
  get callCounts(): Readonly<CallCounts> {
    return this.#calls.counts;
  }
  get allocatedBytes(): number {
    return this.#arena.allocatedBytes;
  }
  get capacityBytes(): number {
    return this.#arena.capacityBytes;
  }
  /** The workspace of products, room for sums, and what is left over of chunks of tensors. */
  readonly besideBytes = WORKSPACE_BYTES + Sums.bytes + Sums.slotBytes + CHUNK_BYTES;
  allocate(shape: readonly number[]): Tensor;
  allocate(shape: readonly number[], dtype: 'bfloat16'): Tensor<'bfloat16'>;
  allocate(shape: readonly number[], dtype: Dtype): AnyTensor;
  allocate(shape: readonly number[], dtype: Dtype = 'float32'): AnyTensor {
    const count = elementCount(shape);
    const what = `a tensor [${shape.join(', ')}]`;
    if (!Number.isSafeInteger(count) || shape.some((length) => length < 0)) {
      throw new UnsupportedError('engine memory', `${what} cannot be`);
    }
    const byteOffset = this.#arena.allocate(elementBytes(dtype) * count, what);
    const place = { shape: [...shape], length: count, byteOffset };
    return dtype === 'bfloat16' ? { dtype, ...place } : { dtype, ...place };
  }

  slots(count: number): Slots {
    return this.#sums.slots(count);
  }
  read({ values, byteOffset }: Slots): Float64Array {
    this.#read(byteOffset, values);
    return values;
  }
  toHost<T extends ElementType>(from: Region<T>, into?: HostArrays[T]): HostArrays[T] {
    const array = into ?? hostArray(from.dtype, from.length);
    sameLength(array, from);
    this.#read(from.byteOffset, array);
    return array;
  }
  toDevice<T extends ElementType>(from: HostArrays[T], to: Region<T>): void {
    sameLength(from, to);
    this.#staging.write(from, to.byteOffset);
  }
  startToHost<T extends ElementType>(from: Region<T>, into: HostArrays[T]): PendingCopy {
    sameLength(into, from);
    return this.#staging.startRead(from.byteOffset, into);
  }
  copy<T extends ElementType>(from: Region<T>, to: Region<T>): void {
    const bytes = to.length * (to.dtype === 'bytes' ? 1 : elementBytes(to.dtype));
    if (bytes > 0) this.#calls.copy(from.byteOffset, to.byteOffset, bytes);
  }
  fill(x: Tensor, value: number): void {
    if (x.length > 0) this.#calls.fill(x.byteOffset, bitsOf(value), x.length);
  }
  phaseClock(): PhaseClock {
    this.#phases ??= new StreamPhases(this.#device, this.#calls);
    return this.#phases;
  }
  synchronize(): void {
    this.#calls.submit();
    this.#phases?.mark();
    this.#device.synchronize();
    this.#phases?.collect();
  }
  close(): void {
    // Of a collective that did not come to its end: others may still read, or never come.
    const why = this.#peers?.leave() ?? null;
    if (why !== null) {
      const { index, name } = this.#device;
      this.#onWarning(
        `a rank ended while ${why} on device ${index} (${name}): what it took there stays taken until the ` +
          'process ends',
      );
      return;
    }
    this.#device.close(() => {
      this.#products.close();
      this.#peers?.close();
    });
  }

  /** Waits for what was called before, with which the phases so far have their times. */
  #read(from: number, into: ArrayBufferView): void {
    if (into.byteLength === 0) return;
    this.#calls.submit();
    this.#phases?.mark();
    this.#device.read(from, into);
    this.#phases?.collect();
  }
}

const bits = new DataView(new ArrayBuffer(4));
function bitsOf(value: number): number {
  bits.setFloat32(0, value);
  return bits.getUint32(0);
}
function hostArray<T extends ElementType>(dtype: T, length: number): HostArrays[T];
function hostArray(dtype: ElementType, length: number): HostArrays[ElementType] {
  if (dtype === 'float32') return new Float32Array(length);
  return dtype === 'bfloat16' ? new Uint16Array(length) : new Uint8Array(length);
}
