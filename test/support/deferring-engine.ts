import { ShapeError } from '#src/base/errors.js';
import type { Engine, Slots } from '#src/engines/engine.js';
import type { WasmEngine } from '#src/engines/wasm/wasm-engine.js';
import type { PendingCopy } from '#src/tensor/region-copies.js';
import {
  elementBytes,
  type ElementType,
  type HostArrays,
  type Matrix,
  operandDtype,
  type Region,
} from '#src/tensor/tensor.js';

/** The calls that an engine has got, and in between them where somebody waited. */
export type DeferredEvent = keyof Engine | 'wait';

/**
 * The WebAssembly engine as a device would be: calls are queued, and done when somebody waits, no later
 * ones than have to be; tensors show no memory, slots are NaN until they are read, and what is copied is
 * NaN until its wait.
 *
 * @param note takes the name of every call as it is queued, and `wait` where it is waited for
 */
export function deferringEngine(
  inner: WasmEngine,
  note: (event: DeferredEvent) => void = () => {},
): Engine {
  const queue: (() => void)[] = [];
  let done = 0;
  /** @returns how many calls there were, this one included */
  const defer = (call: () => void): number => done + queue.push(call);
  /** Does the first calls, up to so many of all that there were. */
  const waitFor = (end: number): void => {
    note('wait');
    for (; done < end; done++) queue.shift()?.();
  };
  const wait = (): void => waitFor(done + queue.length);
  const innerSlots = new WeakMap<object, Slots>();

  const own = {
    asynchronous: true,
    allocate(shape: readonly number[], dtype: 'float32' | 'bfloat16' = 'float32') {
      const { data: _, ...tensor } = inner.allocate(shape, dtype);
      return tensor;
    },
    slots(length: number): Slots {
      const slots = { length, byteOffset: 0, values: new Float64Array(length).fill(Number.NaN) };
      innerSlots.set(slots, inner.slots(length));
      return slots;
    },
    read(slots: Slots): Float64Array {
      wait();
      const written = innerSlots.get(slots);
      if (written) slots.values.set(written.values);
      return slots.values;
    },
    toHost<T extends ElementType>(from: Region<T>, into?: HostArrays[T]): HostArrays[T] {
      wait();
      return inner.toHost(reachable(inner, from), into ?? zerosLike(from));
    },
    startToHost<T extends ElementType>(from: Region<T>, into: HostArrays[T]): PendingCopy {
      requireLength(into, from);
      const copy = zerosLike(from);
      const end = defer(() => inner.toHost(reachable(inner, from), copy));
      into.fill(from.dtype === 'float32' ? Number.NaN : 255);
      return {
        wait() {
          waitFor(end);
          into.set(copy);
        },
      };
    },
    synchronize: wait,
    phaseClock: () => inner.phaseClock(),
    toDevice<T extends ElementType>(from: HostArrays[T], to: Region<T>): void {
      requireLength(from, to);
      const numbers = zerosLike(to);
      numbers.set(from);
      defer(() => inner.toDevice(numbers, reachable(inner, to)));
    },
  };
  return new Proxy<Engine>(inner, {
    get(target, key) {
      if (key in own) return own[key as keyof typeof own];
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...operands: unknown[]) => {
        note(key as keyof Engine);
        if (key === 'gemm') operandDtype(operands[3] as Matrix, operands[4] as Matrix);
        for (const one of operands) if (isSlots(one)) one.values.fill(Number.NaN);
        // As a launch does: what the caller changes later does not count.
        const given = operands.map((one) => {
          if (typeof one !== 'object' || one === null) return one;
          if (isRegion(one)) return reachable(inner, one);
          if (Array.isArray(one)) return [...(one as unknown[])];
          return innerSlots.get(one) ?? { ...one };
        });
        defer(() => Reflect.apply(value, target, given));
      };
    },
  });

  function isSlots(one: unknown): one is Slots {
    return typeof one === 'object' && one !== null && innerSlots.has(one);
  }
}

function isRegion(one: object): one is Region {
  return 'dtype' in one && 'byteOffset' in one && 'length' in one;
}

function requireLength(array: { readonly length: number }, region: Region): void {
  if (array.length !== region.length) throw new ShapeError('engine memory', 'another length');
}

function zerosLike<T extends ElementType>({ dtype, length }: Region<T>): HostArrays[T] {
  return arrayOf(dtype, new ArrayBuffer(bytesOf(dtype) * length), 0, length);
}

/** The region with its storage in the inner engine's memory. */
function reachable<T extends ElementType>(inner: WasmEngine, region: Region<T>): Region<T> {
  const { dtype, byteOffset, length } = region;
  const data = arrayOf(dtype, inner.memory.buffer, byteOffset, length);
  return Object.assign({ ...region }, { data });
}

function bytesOf(dtype: ElementType): number {
  return dtype === 'bytes' ? 1 : elementBytes(dtype);
}

function arrayOf<T extends ElementType>(
  dtype: T,
  buffer: ArrayBuffer | SharedArrayBuffer,
  byteOffset: number,
  length: number,
): HostArrays[T] {
  const shared = buffer as ArrayBuffer;
  const views = { float32: Float32Array, bfloat16: Uint16Array, bytes: Uint8Array } as const;
  return new views[dtype](shared, byteOffset, length) as HostArrays[T];
}
