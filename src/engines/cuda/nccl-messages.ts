import { type Nccl, NCCL_BYTES, NCCL_ID_BYTES, ncclError, ncclVersion } from '../../native/nccl.js';
import type { DeviceMessages, LinkedDevices } from '../../tensor/device-messages.js';
import type { Device } from './device.js';
import { deviceId } from './chosen-devices.js';
import { waitUntil } from './watched-wait.js';

/** How long a rank that ends waits for what is under way between devices, before it leaves it. */
const LEAVE_AFTER_MS = 10_000;

/** NCCL on the stream of a device's copies. All groups of an engine use that one stream, so that what they call is
 * in one order on every device, as NCCL demands of communicators that share devices. */
export class NcclMessages implements DeviceMessages {
  readonly library: string | null;
  readonly missing: string;
  readonly device: string;
  readonly #device: Device;
  readonly #nccl: Nccl | null;
  readonly #stream: () => number;
  readonly #groups: NcclGroup[] = [];
  readonly #code = new Int32Array(1);
  #look: (waitedMs: number) => void = () => {};
  #hasFailed = false;

  /** @param nccl the library, or why it is not used
   * @param stream of the device's copies */
  constructor(device: Device, nccl: Nccl | string, stream: () => number) {
    this.#device = device;
    this.#stream = stream;
    this.device = deviceId(device.driver, device.index);
    this.#nccl = typeof nccl === 'string' ? null : nccl;
    this.missing = typeof nccl === 'string' ? nccl : '';
    this.library = this.#nccl && `NCCL ${ncclVersion(this.#nccl.version)}`;
  }

  createId(): Uint8Array {
    const id = new Uint8Array(NCCL_ID_BYTES);
    const nccl = this.#used();
    check(nccl, 'ncclGetUniqueId', nccl.createId(id));
    return id;
  }

  join(id: Uint8Array, rank: number, size: number): LinkedDevices {
    const nccl = this.#used();
    const handle = new BigUint64Array(1);
    check(nccl, 'ncclCommInitRank', nccl.join(handle, size, { bytes: id }, rank));
    const fail = () => (this.#hasFailed = true);
    const group = new NcclGroup(nccl, Number(handle[0]), this.#stream(), fail);
    this.#groups.push(group);
    this.#device.watch ??= (waitedMs) => this.#watch(waitedMs);
    return group;
  }

  watch(look: (waitedMs: number) => void): void {
    this.#look = look;
  }

  /** To be called before the device is waited for the last time. @returns false where it would be waited for in
   * vain: what is under way has been told to stop */
  close(): boolean {
    const [nccl, groups] = [this.#nccl, this.#groups.splice(0)];
    if (nccl === null || groups.length === 0) return true;
    const isDone = !this.#hasFailed && this.#isDone();
    for (const { handle } of groups) (isDone ? nccl.destroy : nccl.abort)(handle);
    this.#device.watch = null;
    return isDone;
  }

  #isDone(): boolean {
    const event = this.#device.createEvent();
    try {
      if (this.#device.driver.record(event, this.#stream()) !== 0) return false;
      const began = performance.now();
      let isLate = false;
      const look = (waitedMs: number): void => {
        this.#watch(waitedMs);
        isLate = performance.now() - began > LEAVE_AFTER_MS;
      };
      waitUntil(() => isLate || this.#device.hasCome(event), look);
      return !isLate;
    } catch {
      // The cause has been told by who closes, or is the device's.
      return false;
    }
  }

  #watch(waitedMs: number): void {
    try {
      for (const group of this.#groups) this.#checkGroup(group);
      this.#look(waitedMs);
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }
  #checkGroup({ handle }: NcclGroup): void {
    const nccl = this.#used();
    this.#code[0] = 0;
    check(nccl, 'ncclCommGetAsyncError', nccl.asyncError(handle, this.#code));
    check(nccl, 'an exchange between devices', this.#code[0] ?? 0);
  }

  #used(): Nccl {
    if (this.#nccl === null) throw new TypeError(this.missing);
    return this.#nccl;
  }
}

/** A communicator of NCCL's. */
class NcclGroup implements LinkedDevices {
  readonly handle: number;
  readonly #nccl: Nccl;
  readonly #stream: number;
  readonly #fail: () => void;

  /** @param fail is called when a call fails: what is under way may never end */
  constructor(nccl: Nccl, handle: number, stream: number, fail: () => void) {
    this.#nccl = nccl;
    this.handle = handle;
    this.#stream = stream;
    this.#fail = fail;
  }

  allGather(from: number, to: number, bytes: number): void {
    if (bytes === 0) return;
    const { allGather } = this.#nccl;
    const code = allGather(from, to, bytes, NCCL_BYTES, this.handle, this.#stream);
    this.#check('ncclAllGather', code);
  }
  begin(): void {
    this.#check('ncclGroupStart', this.#nccl.beginGroup());
  }
  send(rank: number, from: number, bytes: number): void {
    if (bytes === 0) return;
    const { send } = this.#nccl;
    this.#check('ncclSend', send(from, bytes, NCCL_BYTES, rank, this.handle, this.#stream));
  }
  receive(rank: number, to: number, bytes: number): void {
    if (bytes === 0) return;
    const { receive } = this.#nccl;
    this.#check('ncclRecv', receive(to, bytes, NCCL_BYTES, rank, this.handle, this.#stream));
  }
  end(): void {
    this.#check('ncclGroupEnd', this.#nccl.endGroup());
  }

  #check(call: string, code: number): void {
    if (code === 0) return;
    this.#fail();
    throw ncclError(this.#nccl, call, code);
  }
}

/** @throws NativeError */
function check(nccl: Nccl, call: string, code: number): void {
  if (code !== 0) throw ncclError(nccl, call, code);
}
