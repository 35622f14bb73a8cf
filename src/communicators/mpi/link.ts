import { CollectiveError, ConfigError, NativeError, UnsupportedError } from '../../base/errors.js';
import { coreYielder } from '../../native/library.js';
import {
  type Mpi,
  MPI_MAX_ERROR_STRING,
  MPI_THREAD_FUNNELED,
  openMpi,
  prepareForMpi,
} from '../../native/mpi.js';
import { Addresses } from './native-memory.js';
import type { Launcher } from '../launcher.js';

/** A group of ranks of a started MPI library, seen from the one thread that calls it. */
export class MpiLink {
  readonly mpi: Mpi;
  readonly addresses: Addresses;
  readonly yieldCore: () => void;
  readonly #group: number;
  readonly rank: number;
  readonly size: number;
  readonly #words = new Int32Array(16);
  readonly #flag: number;

  private constructor(mpi: Mpi, addresses: Addresses, yieldCore: () => void, group: number) {
    this.mpi = mpi;
    this.#group = group;
    this.addresses = addresses;
    this.yieldCore = yieldCore;
    this.#flag = addresses.of(this.#words);
    this.check('start', mpi.commSetErrhandler(group, mpi.constants.errorsReturn));
    this.check('start', mpi.commSize(group, this.#flag));
    this.size = this.#words[0] ?? 0;
    this.check('start', mpi.commRank(group, this.#flag));
    this.rank = this.#words[0] ?? 0;
  }

  /**
   * Starts MPI in this thread.
   *
   * @throws NativeError without a library
   * @throws ConfigError when library and launcher do not know one another: in every process
   * @throws UnsupportedError when this process has started MPI before
   */
  static async start(launcher: Launcher | null): Promise<MpiLink> {
    if (launcher?.servesMpi === false) {
      throw new ConfigError(
        'mpi',
        `${launcher.name} started ${launcher.size} tasks that MPI cannot connect; ` +
          'use srun --mpi=pmix with Open MPI, srun --mpi=pmi2 with MPICH (srun --mpi=list)',
      );
    }
    prepareForMpi();
    const mpi = await openMpi(launcher?.family ?? 'Open MPI');
    const addresses = await Addresses.create();
    const yieldCore = await coreYielder();
    const word = new Int32Array(16);
    const address = addresses.of(word);
    mpi.initialized(address);
    if (word[0] !== 0) {
      throw new UnsupportedError('mpi', 'MPI cannot be started twice in a process: one run each');
    }
    const code = mpi.initThread(0, 0, MPI_THREAD_FUNNELED, address);
    if (code !== 0) throw new NativeError('mpi', `${mpi.description} does not start: ${code}`);
    const link = new MpiLink(mpi, addresses, yieldCore, mpi.constants.world);
    if (launcher !== null && launcher.size !== link.size) {
      mpi.finalize();
      throw new ConfigError(
        'mpi',
        `${launcher.name} started ${launcher.size} processes, ${mpi.description} (${mpi.path}) ` +
          `sees ${link.size}: the library is not the launcher's; use the launcher that belongs to ` +
          'it (srun --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH), or set PHANTOM_MPI to the ' +
          "launcher's library",
      );
    }
    return link;
  }

  /** A communicator of the same ranks, with errors returned. */
  duplicate(): number {
    const copy = this.#made((to) => this.mpi.commDup(this.#group, to));
    this.check('start', this.mpi.commSetErrhandler(copy, this.mpi.constants.errorsReturn));
    return copy;
  }

  /** The ranks of one color, in their order; called by all ranks of the group. */
  split(color: number): MpiLink {
    const { mpi, addresses, yieldCore, rank } = this;
    const part = this.#made((to) => mpi.commSplit(this.#group, color, rank, to));
    return new MpiLink(mpi, addresses, yieldCore, part);
  }

  /** A handle that a call writes. */
  #made(call: (address: number) => number): number {
    const bytes = new ArrayBuffer(64);
    this.check('start', call(this.addresses.of(new Uint8Array(bytes))));
    return this.mpi.constants.handleBytes === 8
      ? Number(new BigUint64Array(bytes)[0])
      : (new Int32Array(bytes)[0] ?? 0);
  }

  /** Whether the request at this address is complete; MPI makes progress in here. */
  test(where: string, request: number): boolean {
    const code = this.mpi.test(request, this.#flag, this.mpi.constants.statusIgnore);
    if (code !== 0) this.check(where, code);
    return this.#words[0] !== 0;
  }

  /** @throws CollectiveError with the library's words */
  check(where: string, code: number): void {
    if (code === 0) return;
    const text = new Uint8Array(MPI_MAX_ERROR_STRING);
    this.mpi.errorString(code, this.addresses.of(text), this.#flag);
    const words = new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
    const line = words.split('\n')[0] ?? '';
    throw new CollectiveError(where, `rank ${this.rank}: ${this.mpi.description}: ${line}`);
  }
}
