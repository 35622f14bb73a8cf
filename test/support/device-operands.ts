import type {
  Moved,
  PendingCollective,
  Summed,
  Transport,
} from '#src/communicators/communicator.js';
import type { Engine } from '#src/engines/engine.js';
import { asBytes, byteRange, type Bytes, type Tensor, tensorPart } from '#src/tensor/tensor.js';

type HostArray = Float32Array | Uint8Array;
type Start = 'startAllGather' | 'startAllToAll' | 'startReduceScatterSum';

/** A transport that puts the float32 numbers and bytes of a program into an engine's memory, and runs its
 * collectives there. The wait brings
 * the result into the host's array. */
export class DeviceOperands implements Transport {
  readonly name: string;
  readonly description: string;
  readonly rank: number;
  readonly size: number;
  readonly maxInFlight: number;
  readonly needsProgress: boolean;
  readonly #inner: Transport;
  readonly #engine: Engine;
  /** Regions that are not in use, by kind and length: an engine gives no memory back. */
  readonly #free: Map<string, (Tensor | Bytes)[]>;

  constructor(inner: Transport, engine: Engine, free = new Map<string, (Tensor | Bytes)[]>()) {
    this.name = inner.name;
    this.description = inner.description;
    this.rank = inner.rank;
    this.size = inner.size;
    this.maxInFlight = inner.maxInFlight;
    this.needsProgress = inner.needsProgress;
    this.#inner = inner;
    this.#engine = engine;
    this.#free = free;
  }

  startAllGather(send: Moved, receive: Moved): PendingCollective {
    return this.#start('startAllGather', send as HostArray, receive as HostArray);
  }
  startAllToAll(send: Moved, receive: Moved): PendingCollective {
    return this.#start('startAllToAll', send as HostArray, receive as HostArray);
  }
  startReduceScatterSum(send: Float32Array | Tensor, receive: Float32Array | Tensor) {
    return this.#start('startReduceScatterSum', send as Float32Array, receive as Float32Array);
  }
  startAllReduceSum(buffer: Summed): PendingCollective {
    if (!(buffer instanceof Float32Array)) return this.#inner.startAllReduceSum(buffer);
    const region = this.#region(buffer) as Tensor;
    return this.#ending(this.#inner.startAllReduceSum(region), buffer, [region]);
  }
  broadcast(buffer: Summed, root: number): void {
    if (!(buffer instanceof Float32Array)) return this.#inner.broadcast(buffer, root);
    const region = this.#region(buffer) as Tensor;
    this.#inner.broadcast(region, root);
    this.#ending({ wait() {} }, buffer, [region]).wait();
  }
  barrier(): void {
    this.#inner.barrier();
  }
  progress(): void {
    this.#inner.progress();
  }
  split(color: number): DeviceOperands {
    return new DeviceOperands(this.#inner.split(color), this.#engine, this.#free);
  }
  abort(cause: string): void {
    this.#inner.abort(cause);
  }
  close(): void {
    this.#inner.close();
  }

  #start(start: Start, send: HostArray, receive: HostArray): PendingCollective {
    const to = this.#region(receive);
    const inside = send.buffer === receive.buffer && send.byteOffset >= receive.byteOffset;
    const place = (send.byteOffset - receive.byteOffset) / send.BYTES_PER_ELEMENT;
    if (inside && place + send.length <= receive.length) {
      const from =
        to.dtype === 'bytes'
          ? byteRange(to, place, send.length)
          : tensorPart(to, place, [send.length]);
      return this.#ending(this.#inner[start](from as Tensor, to as Tensor), receive, [to]);
    }
    const from = this.#region(send);
    return this.#ending(this.#inner[start](from as Tensor, to as Tensor), receive, [to, from]);
  }

  /** The array's copy in the engine's memory. */
  #region(array: HostArray): Tensor | Bytes {
    const key = `${array.BYTES_PER_ELEMENT} ${array.length}`;
    const region = this.#free.get(key)?.pop() ?? this.#allocate(array);
    this.#engine.toDevice<'float32' | 'bytes'>(array, region);
    return region;
  }

  #allocate(array: HostArray): Tensor | Bytes {
    if (array instanceof Float32Array) return this.#engine.allocate([array.length]);
    return asBytes(this.#engine.allocate([Math.ceil(array.length / 4)]), array.length);
  }

  #ending(
    pending: PendingCollective,
    receive: HostArray,
    regions: readonly (Tensor | Bytes)[],
  ): PendingCollective {
    return {
      wait: () => {
        pending.wait();
        const [to] = regions as readonly [Tensor | Bytes];
        this.#engine.toHost<'float32' | 'bytes'>(to, receive);
        for (const region of regions) {
          const key = `${region.dtype === 'bytes' ? 1 : 4} ${region.length}`;
          this.#free.set(key, [...(this.#free.get(key) ?? []), region]);
        }
      },
    };
  }
}
