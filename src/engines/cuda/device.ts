import { NativeError, UnsupportedError } from '../../base/errors.js';
import {
  CUDA_NOT_READY,
  CUDA_OUT_OF_MEMORY,
  type CudaDriver,
  DEVICE_ATTRIBUTE,
  EVENT_DISABLE_TIMING,
  EVENT_RECORD_EXTERNAL,
  STREAM_NON_BLOCKING,
  CAPTURE_THREAD_LOCAL,
} from '../../native/cuda.js';
import { check, chosenDevices, handleOf, nameOf } from './chosen-devices.js';
import { waitUntil } from './watched-wait.js';

/** Major · 1000 + minor · 10, as the driver tells its version: the first that goes with libraries 12. */
const OLDEST_DRIVER = 12_000;
/** Kernels take their arguments as constants of the grid, which older ones cannot. */
const OLDEST_CAPABILITY = 70;

/** Which device a rank has. */
export interface DevicePlace {
  /** Of those that the driver sees, from 0, or by their UUIDs. Default null: all. */
  readonly devices?: readonly (number | string)[] | null;
  /** Of the ranks on the machine, which take the devices in turn. Default: 0. */
  readonly localRank?: number;
}

/** A device of CUDA's, its context and one stream, on which everything runs in the order of the calls. A
 * thread has one device, the last that it opened. */
export class Device {
  readonly driver: CudaDriver;
  /** The driver's, of the device and of its context, which the whole process shares. */
  readonly handle: number;
  readonly context: number;
  readonly name: string;
  readonly index: number;
  /** 10 · major + minor. */
  readonly capability: number;
  readonly driverVersion: string;
  readonly driverMajor: number;
  /** Devices that ranks of this machine take in turn. */
  readonly count: number;
  readonly totalBytes: number;
  /** Free when it was opened. */
  readonly freeBytes: number;
  readonly stream: number;
  readonly #memory = new Set<number>();
  readonly #pages: number[] = [];
  readonly #events: number[] = [];
  readonly #modules: number[] = [];
  readonly #graphs = new Set<number>();
  readonly #elapsed = new Float32Array(1);
  /** Called now and then while the host waits for the device, with the milliseconds so far; what it throws ends
   * the wait. null: nothing could, and the driver waits by itself. */
  watch: ((waitedMs: number) => void) | null = null;
  /** Behind what a watched wait is for; 0: none yet. */
  #behind = 0;
  #isClosed = false;
  #captures = false;

  /**
   * @param place devices that are taken in turn, of those that the driver sees from 0 or by their UUIDs (null: all),
   *   and the rank's place on its machine
   * @throws NativeError where there is no such device, or the driver is too old
   * @throws UnsupportedError where the device is too old
   */
  constructor(driver: CudaDriver, place: Required<DevicePlace>) {
    this.driver = driver;
    check('cuInit', driver.init(0));
    const version = this.#integer('cuDriverGetVersion', (view) => driver.version(view));
    this.driverMajor = Math.floor(version / 1000);
    this.driverVersion = `${this.driverMajor}.${Math.floor((version % 1000) / 10)}`;
    if (version < OLDEST_DRIVER) {
      throw new NativeError(
        'cuda',
        `the driver supports CUDA ${this.driverVersion}; 12.0 or newer is needed: update it`,
      );
    }
    const devices = chosenDevices(driver, place.devices);
    this.count = devices.length;
    const index = devices[place.localRank % devices.length] ?? 0;
    this.index = index;
    const device = handleOf(driver, index);
    this.handle = device;
    const attribute = (which: number) =>
      this.#integer('cuDeviceGetAttribute', (view) => driver.deviceAttribute(view, which, device));
    this.name = nameOf(driver, device);
    const { major, minor } = DEVICE_ATTRIBUTE;
    this.capability = 10 * attribute(major) + attribute(minor);
    if (this.capability < OLDEST_CAPABILITY) {
      throw new UnsupportedError(
        'cuda',
        `${this.name} has compute capability ${(this.capability / 10).toFixed(1)}; 7.0 or newer is needed: ` +
          'take another by --devices or CUDA_VISIBLE_DEVICES, or --engine auto',
      );
    }
    this.context = this.#handle('cuDevicePrimaryCtxRetain', (view) =>
      driver.retainContext(view, device),
    );
    let stream = 0;
    try {
      check('cuCtxSetCurrent', driver.setContext(this.context));
      stream = this.#handle('cuStreamCreate', (view) =>
        driver.createStream(view, STREAM_NON_BLOCKING),
      );
      const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
      check('cuMemGetInfo', driver.memory(free, total));
      this.stream = stream;
      this.freeBytes = Number(free[0]);
      this.totalBytes = Number(total[0]);
    } catch (error) {
      if (stream !== 0) driver.destroyStream(stream);
      driver.releaseContext(device);
      throw error;
    }
  }

  /** Waits for all work, and gives back all that was made here: memory of a device belongs to the process, and
   * outlives the thread that took it. Does nothing when called again, and what it cannot do on a device that
   * is lost it leaves to the end of the process.
   * @param first gives back what others have made, after the wait */
  close(first: () => void = () => {}): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const driver = this.driver;
    // The thread may have opened another device since.
    driver.pushContext(this.context);
    driver.synchronize(this.stream);
    first();
    for (const at of this.#memory) driver.free(at);
    for (const at of this.#pages) driver.freePages(at);
    for (const event of this.#events) driver.destroyEvent(event);
    for (const graph of this.#graphs) driver.destroyExecutable(graph);
    for (const module of this.#modules) driver.unloadModule(module);
    driver.destroyStream(this.stream);
    driver.popContext(new BigUint64Array(1));
    driver.releaseContext(this.handle);
  }

  /** Memory full of zeros, at a multiple of 256; null where there is not as much. */
  allocate(bytes: number): number | null {
    const at = new BigUint64Array(1);
    const code = this.driver.allocate(at, bytes);
    if (code === CUDA_OUT_OF_MEMORY) return null;
    check('cuMemAlloc', code);
    this.#memory.add(Number(at[0]));
    this.fill(Number(at[0]), 0, Math.ceil(bytes / 4));
    return Number(at[0]);
  }
  /** Words of 32 bits. */
  fill(at: number, word: number, count: number): void {
    check('cuMemsetD32Async', this.driver.fill(at, word, count, this.stream));
  }
  copy(from: number, to: number, bytes: number): void {
    check('cuMemcpyDtoDAsync', this.driver.copy(to, from, bytes, this.stream));
  }
  /** `from` may be changed when the call returns. */
  write(from: ArrayBufferView, to: number): void {
    if (from.byteLength === 0) return;
    this.#watched();
    const code = this.driver.copyToDevice(to, from, from.byteLength, this.stream);
    check('cuMemcpyHtoDAsync', code);
    this.#synchronize();
  }
  /** Waits for all that was called before. */
  read(from: number, into: ArrayBufferView): void {
    if (into.byteLength === 0) return;
    this.#watched();
    const code = this.driver.copyToHost(into, from, into.byteLength, this.stream);
    check('cuMemcpyDtoHAsync', code);
    this.#synchronize();
  }
  synchronize(): void {
    this.#watched();
    this.#synchronize();
  }

  /** Pages of the host's that the device reaches; null where there are none. */
  allocatePages(bytes: number): number | null {
    const at = new BigUint64Array(1);
    const code = this.driver.allocatePages(at, bytes, 0);
    if (code === CUDA_OUT_OF_MEMORY) return null;
    check('cuMemHostAlloc', code);
    this.#pages.push(Number(at[0]));
    return Number(at[0]);
  }
  copyFromPages(from: number, to: number, bytes: number): void {
    check('cuMemcpyHtoDAsync', this.driver.copyFromPages(to, from, bytes, this.stream));
  }
  copyToPages(from: number, to: number, bytes: number): void {
    check('cuMemcpyDtoHAsync', this.driver.copyToPages(to, from, bytes, this.stream));
  }
  /** @param kind whether it knows when it came */
  createEvent(kind: 'plain' | 'timed' = 'plain'): number {
    const flags = kind === 'timed' ? 0 : EVENT_DISABLE_TIMING;
    const event = this.#handle('cuEventCreate', (view) => this.driver.createEvent(view, flags));
    this.#events.push(event);
    return event;
  }
  /** The event comes when all that was called before has run: of a graph, at every launch. */
  record(event: number): void {
    const { record, recordWithFlags } = this.driver;
    if (this.#captures) {
      const code = recordWithFlags(event, this.stream, EVENT_RECORD_EXTERNAL);
      check('cuEventRecordWithFlags', code);
    } else check('cuEventRecord', record(event, this.stream));
  }
  hasCome(event: number): boolean {
    const code = this.driver.queryEvent(event);
    if (code !== CUDA_NOT_READY) check('cuEventQuery', code);
    return code === 0;
  }
  /** Between two timed events that have come. */
  elapsedMs(from: number, to: number): number {
    check('cuEventElapsedTime', this.driver.elapsedTime(this.#elapsed, from, to));
    return this.#elapsed[0] ?? 0;
  }
  waitFor(event: number): void {
    if (this.watch !== null) waitUntil(() => this.hasCome(event), this.watch);
    check('cuEventSynchronize', this.driver.waitForEvent(event));
  }

  /** The kernels of a compiled binary, by their names. */
  kernels<Name extends string>(binary: Uint8Array, names: readonly Name[]): Record<Name, number> {
    const module = this.#handle('cuModuleLoadData', (view) => this.driver.loadModule(view, binary));
    this.#modules.push(module);
    const handles = names.map((name) => [
      name,
      this.#handle(`cuModuleGetFunction of ${name}`, (view) =>
        this.driver.kernel(view, module, name),
      ),
    ]);
    return Object.fromEntries(handles) as Record<Name, number>;
  }
  /** @param parameters address of the addresses of a kernel's arguments */
  launch(kernel: number, blocks: number, threads: number, parameters: number): void {
    const { launch } = this.driver;
    check(
      'cuLaunchKernel',
      launch(kernel, blocks, 1, 1, threads, 1, 1, 0, this.stream, parameters, 0),
    );
  }

  /** A graph of the calls that `work` makes on the stream, which does none of them. */
  capture(work: () => void): number {
    const driver = this.driver;
    check('cuStreamBeginCapture', driver.beginCapture(this.stream, CAPTURE_THREAD_LOCAL));
    const view = new BigUint64Array(1);
    const end = () => driver.endCapture(this.stream, view);
    this.#captures = true;
    try {
      work();
    } catch (error) {
      if (end() === 0) driver.destroyGraph(Number(view[0]));
      throw error;
    } finally {
      this.#captures = false;
    }
    check('cuStreamEndCapture', end());
    const graph = Number(view[0]);
    try {
      const made = this.#handle('cuGraphInstantiateWithFlags', (into) =>
        driver.instantiate(into, graph, 0),
      );
      this.#graphs.add(made);
      return made;
    } finally {
      driver.destroyGraph(graph);
    }
  }
  launchGraph(graph: number): void {
    check('cuGraphLaunch', this.driver.launchGraph(graph, this.stream));
  }
  /** One that is under way runs to its end. */
  destroyGraph(graph: number): void {
    this.#graphs.delete(graph);
    check('cuGraphExecDestroy', this.driver.destroyExecutable(graph));
  }

  /** Where a wait is watched, waits for all that was called before: the copy or wait that follows is short. */
  #watched(): void {
    const { watch } = this;
    if (watch === null) return;
    if (this.#behind === 0) this.#behind = this.createEvent();
    this.record(this.#behind);
    waitUntil(() => this.hasCome(this.#behind), watch);
  }

  /** Where a wait is watched, of what is short. */
  #synchronize(): void {
    check('cuStreamSynchronize', this.driver.synchronize(this.stream));
  }
  #integer(name: string, call: (view: Int32Array) => number): number {
    const view = new Int32Array(1);
    check(name, call(view));
    return view[0] ?? 0;
  }
  #handle(name: string, call: (view: BigUint64Array) => number): number {
    const view = new BigUint64Array(1);
    check(name, call(view));
    return Number(view[0]);
  }
}
