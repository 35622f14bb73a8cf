import { NativeError, UnsupportedError } from '../../base/errors.js';
import {
  type CudaDriver,
  EVENT_DISABLE_TIMING,
  PEER_ACCESS,
  STREAM_NON_BLOCKING,
} from '../../native/cuda.js';
import type { Nccl } from '../../native/nccl.js';
import type { PeerCopies, PeerPlace } from '../../tensor/peer-copies.js';
import { memorySize } from '../memory-size.js';
import type { DeviceArena } from './arena.js';
import type { Calls } from './calls.js';
import { check } from './chosen-devices.js';
import type { Device } from './device.js';
import type { Launcher } from './kernel-launcher.js';
import { NcclMessages } from './nccl-messages.js';

/** What copies between devices are made with. */
export interface PeerParts {
  readonly device: Device;
  readonly calls: Calls;
  readonly launcher: Launcher;
  readonly arena: DeviceArena;
  /** For devices of other processes, or why it is not used; null: there are none. */
  readonly nccl: Nccl | string | null;
}

/** Copies between the devices of a process, on a stream of their own. Marks are events of the device that sets
 * them. */
export class DevicePeers implements PeerCopies {
  readonly place: PeerPlace;
  readonly messages: NcclMessages | null;
  readonly #device: Device;
  readonly #driver: CudaDriver;
  readonly #calls: Calls;
  readonly #launcher: Launcher;
  readonly #arena: DeviceArena;
  /** Made by the first copy, since many engines have no other to copy from. */
  #stream = 0;
  readonly #events: number[] = [];
  /** Others whose contexts are kept, since there are events of them. */
  readonly #reached = new Set<number>();
  #lent = 0;

  constructor({ device, calls, launcher, arena, nccl }: PeerParts) {
    this.#device = device;
    this.#driver = device.driver;
    this.#calls = calls;
    this.#launcher = launcher;
    this.#arena = arena;
    this.place = { device: device.handle, context: device.context };
    this.messages = nccl === null ? null : new NcclMessages(device, nccl, () => this.#copies());
  }

  reach({ device, context }: PeerPlace): boolean {
    if (device === this.place.device) return true;
    if (!this.#reached.has(device)) {
      const retained = handle('cuDevicePrimaryCtxRetain', (view) =>
        this.#driver.retainContext(view, device),
      );
      // Nobody kept it between the other's end and now: what it had told is of no context any more.
      if (retained !== context) {
        this.#driver.releaseContext(device);
        throw new NativeError(
          'cuda',
          `device ${device} was closed before others could copy from it`,
        );
      }
      this.#reached.add(device);
    }
    const can = new Int32Array(1);
    const code = this.#driver.canAccessPeer(can, this.place.device, device);
    check('cuDeviceCanAccessPeer', code);
    if (can[0] === 0) return false;
    const enabled = this.#driver.enablePeerAccess(context, 0);
    // Another rank on this device has been there first.
    if (enabled === PEER_ACCESS.alreadyEnabled) return true;
    if (enabled === PEER_ACCESS.unsupported || enabled === PEER_ACCESS.tooMany) return false;
    check('cuCtxEnablePeerAccess', enabled);
    return true;
  }

  createMark({ context }: PeerPlace): number {
    const driver = this.#driver;
    check('cuCtxPushCurrent', driver.pushContext(context));
    try {
      const event = handle('cuEventCreate', (view) =>
        driver.createEvent(view, EVENT_DISABLE_TIMING),
      );
      this.#events.push(event);
      return event;
    } finally {
      driver.popContext(new BigUint64Array(1));
    }
  }
  markCalls(mark: number): void {
    this.#calls.submit();
    this.#device.record(mark);
  }
  markCopies(mark: number): void {
    check('cuEventRecord', this.#driver.record(mark, this.#copies()));
  }
  holdCalls(mark: number): void {
    this.#calls.submit();
    check('cuStreamWaitEvent', this.#driver.holdStream(this.#device.stream, mark, 0));
  }
  holdCopies(mark: number): void {
    check('cuStreamWaitEvent', this.#driver.holdStream(this.#copies(), mark, 0));
  }

  copyFrom({ device, context }: PeerPlace, from: number, to: number, bytes: number): void {
    if (bytes === 0) return;
    const { place } = this;
    if (device === place.device) {
      check('cuMemcpyDtoDAsync', this.#driver.copy(to, from, bytes, this.#copies()));
      return;
    }
    const { copyPeer } = this.#driver;
    const code = copyPeer(to, place.context, from, context, bytes, this.#copies());
    check('cuMemcpyPeerAsync', code);
  }
  allocateRoom(bytes: number): number {
    const at = this.#arena.setAside(bytes);
    if (at !== null) return at;
    const { name, index } = this.#device;
    throw new UnsupportedError(
      'engine memory',
      `parts of sums take ${memorySize(bytes)}, which device ${index} (${name}) has not left; ` +
        'use smaller batches, or PHANTOM_CUDA_PEERS=off',
    );
  }
  add(a: number, b: number, out: number, count: number): void {
    this.#launcher.of('add').at(0, a).at(1, b).at(2, out).fours(count);
  }

  lend(): void {
    this.#lent++;
  }
  returned(): void {
    this.#lent--;
  }
  /** Ends what goes on between devices. @returns why the memory has to stay as it is; null: it need not */
  leave(): string | null {
    if (this.#lent > 0) return 'others could copy from its memory';
    return this.messages?.close() === false ? 'exchanges with others were under way' : null;
  }
  /** To be called when the device has done all calls, in its context. Others may wait for marks that are yet to
   * come. */
  close(): void {
    if (this.#stream !== 0) {
      this.#driver.synchronize(this.#stream);
      this.#driver.destroyStream(this.#stream);
    }
    for (const event of this.#events) this.#driver.destroyEvent(event);
    for (const device of this.#reached) this.#driver.releaseContext(device);
  }

  #copies(): number {
    if (this.#stream === 0) {
      this.#stream = handle('cuStreamCreate', (view) =>
        this.#driver.createStream(view, STREAM_NON_BLOCKING),
      );
    }
    return this.#stream;
  }
}

function handle(name: string, call: (view: BigUint64Array) => number): number {
  const view = new BigUint64Array(1);
  check(name, call(view));
  return Number(view[0]);
}
