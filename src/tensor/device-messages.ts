/** How engines of different processes move bytes between the memory of their devices: in order with the copies of
 * `PeerCopies`. Addresses are `byteOffset`s. */
export interface DeviceMessages {
  /** `NCCL 2.21.5`; null: there is none that can be used. */
  readonly library: string | null;
  /** Where `library` is null, why: `NCCL: not installed (libnccl.so.2)`. */
  readonly missing: string;
  /** What tells the device from all others. */
  readonly device: string;
  /** What ranks of a group join by; one of them makes it, and tells the others. */
  createId(): Uint8Array;
  /** Returns when all ranks of the group have called it. @throws NativeError where they do not come together */
  join(id: Uint8Array, rank: number, size: number): LinkedDevices;
  /** From now on the host's waits for the device call this now and then, with the milliseconds that they have
   * taken: what it throws ends a wait for another device that is gone.
   * @param meet returns when all ranks have called it, which they do before they leave: a library's own end may wait
   *   for ranks that have failed, and hears nothing */
  watch(look: (waitedMs: number) => void, meet: () => void): void;
}

/** The devices of a group of ranks. Messages of a device to another one match in the order of the calls; between
 * `begin` and `end` they go on together, and they are started when `end` returns. */
export interface LinkedDevices {
  /** What every rank has at `from` is at `to`, by rank. `from` may be the own part of `to`. */
  allGather(from: number, to: number, bytes: number): void;
  begin(): void;
  /** Nothing where there are no bytes, as in `receive`. */
  send(rank: number, from: number, bytes: number): void;
  receive(rank: number, to: number, bytes: number): void;
  end(): void;
}
