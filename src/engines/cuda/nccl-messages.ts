import { type Nccl, NCCL_BYTES, NCCL_ID_BYTES, ncclError, ncclVersion } from '../../native/nccl.js';
import type { DeviceMessages, LinkedDevices } from '../../tensor/device-messages.js';
import type { Device } from './device.js';
import { deviceId } from './chosen-devices.js';
import { waitUntil } from './watched-wait.js';

/** NCCL on the stream of a device's copies. All groups of an engine use that one stream, so that what they call is
 * in one order on every device, as NCCL demands of communicators that share devices. */
export class NcclMessages implements DeviceMessages {
  readonly library: string | null;
  readonly missing: string;
  readonly device: string;
  readonly #device: Device;
  readonly #nccl: Nccl | null;
  readonly #stream: () => number;
  readonly #groups: NcclCommunicator[] = [];
  readonly #code = new Int32Array(1);
  #look: (waitedMs: number) => void = () => {};
  #meet: () => void = () => {};
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
    const fail = () => (this.#hasFailed = true);
    const code = nccl.join(handle, size, { bytes: id }, rank);
    if (code !== 0) fail();
    check(nccl, 'ncclCommInitRank', code);
    const group = new NcclCommunicator(nccl, Number(handle[0]), this.#stream(), fail);
    this.#groups.push(group);
    this.#device.watch ??= (waitedMs) => this.#watch(waitedMs);
    return group;
  }

  watch(look: (waitedMs: number) => void, meet: () => void): void {
    this.#look = look;
    this.#meet = meet;
  }

  /** To be called before the device is waited for the last time. @returns false where it would be waited for in
   * vain: what is under way, and NCCL, stay as they are, since also its abort may wait for ranks that are gone */
  close(): boolean {
    const [nccl, groups] = [this.#nccl, this.#groups];
    if (nccl === null || groups.length === 0) return true;
    if (this.#hasFailed || !this.#isDone()) return false;
    for (const { handle } of groups.splice(0)) nccl.destroy(handle);
    this.#device.watch = null;
    return true;
  }

  #isDone(): boolean {
    const event = this.#device.createEvent();
    try {
      if (this.#device.driver.record(event, this.#stream()) !== 0) return false;
      waitUntil(
        () => this.#device.hasCome(event),
        (waitedMs) => this.#watch(waitedMs),
      );
      this.#meet();
      return true;
    } catch {
      // The group has ended, which the next call of the rank tells.
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
  #checkGroup({ handle }: NcclCommunicator): void {
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
class NcclCommunicator implements LinkedDevices {
  readonly handle: number;
  readonly #nccl: Nccl;
  readonly #stream: number;
  readonly #fail: () => void;
  /** Whether a group of messages has begun. */
  #isOpen = false;

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
    this.#isOpen = true;
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
    this.#isOpen = false;
    this.#check('ncclGroupEnd', this.#nccl.endGroup());
  }

  #check(call: string, code: number): void {
    if (code === 0) return;
    this.#fail();
    const error = ncclError(this.#nccl, call, code);
    // Which drops the group's other messages.
    if (this.#isOpen) this.#nccl.endGroup();
    this.#isOpen = false;
    throw error;
  }
}

/** @throws NativeError */
function check(nccl: Nccl, call: string, code: number): void {
  if (code !== 0) throw ncclError(nccl, call, code);
}
