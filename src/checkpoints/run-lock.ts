import { randomUUID } from 'node:crypto';
import {
  closeSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CheckpointError, ConfigError } from '../base/errors.js';
import { isSystemError, remedyFor, writeSynced } from '../base/files.js';
import { readSmall } from '../base/regular-file.js';
import { isRunning, type ProcessIdentity, thisProcess } from '../base/process-identity.js';

/** In a run folder while a run writes there. */
export const LOCK_FILE = 'run.lock';
/** For how long a lock counts that another machine no longer renews. */
const LEASE_S = 60;
/** Of a lock file as it is written, with room. */
const MOST_BYTES = 4096;
/** Between two looks at a lock of one's own; every third renews it. */
const LOOK_S = 5;

/** The right to write in a run folder, as its lock file has it. Structured-cloneable. */
export interface WriteLock {
  readonly folder: string;
  readonly id: string;
}

interface LockRecord extends ProcessIdentity {
  readonly id: string;
  readonly leaseS: number;
  /** ISO, for people. */
  readonly since: string;
}

/** A lock file as it was found. */
interface Found {
  readonly text: string;
  /** By the clock of who keeps the disk. */
  readonly changedMs: number;
  /** Null: not as a lock is written. */
  readonly record: LockRecord | null;
}

/**
 * A run folder that one process at a time may write in. Its lock file is made whole, by a link,
 * which works on shared disks too. A process that is gone does not hold it; one on another machine
 * holds it while it renews it.
 */
export class FolderLock {
  /** Rejects when the folder, or its lock, is another's or gone. */
  readonly lost: Promise<never>;
  #lock: WriteLock | null = null;
  #timer: NodeJS.Timeout | null = null;
  #lose: (error: unknown) => void = () => {};

  constructor() {
    this.lost = new Promise((_resolve, reject) => {
      this.#lose = reject;
    });
    this.lost.catch(() => {});
  }

  /**
   * @param folder which is there
   * @param say takes a line when it takes a while to see whether another machine still writes
   * @throws ConfigError when another process writes there, or the folder cannot be written
   */
  async take(folder: string, say: (line: string) => void): Promise<WriteLock> {
    const id = randomUUID();
    const identity = thisProcess();
    const record: LockRecord = {
      ...identity,
      id,
      leaseS: LEASE_S,
      since: new Date().toISOString(),
    };
    const lock = { folder, id };
    try {
      for (;;) {
        const nowMs = link(folder, record);
        const found = find(folder);
        if (found?.record?.id === id) break;
        if (found === null) continue;
        if (await isStale(folder, found, nowMs, say)) removeStale(folder, found);
        else throw heldError(folder, find(folder) ?? found);
      }
    } catch (error) {
      if (!isSystemError(error)) throw error;
      const what = `cannot write in ${folder}: ${error.message}; ${remedyFor(error)}, or set --out`;
      throw new ConfigError('run', what);
    }
    this.#lock = lock;
    this.#watch(lock);
    return lock;
  }

  /** Whether the folder is still this one's. */
  isHeld(): boolean {
    return this.#lock !== null && find(this.#lock.folder)?.record?.id === this.#lock.id;
  }

  /** Gives the folder up. Without effect where it is not held. */
  release(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.isHeld()) rmSync(path.join(this.#lock?.folder ?? '', LOCK_FILE), { force: true });
    this.#lock = null;
  }

  #watch(lock: WriteLock): void {
    let looks = 0;
    this.#timer = setInterval(() => {
      try {
        checkLock(lock);
        if (++looks % 3 === 0) renew(lock);
      } catch (error) {
        this.#lose(error);
      }
    }, 1000 * LOOK_S).unref();
  }
}

/** @throws CheckpointError when a folder is no longer this run's to write in */
export function checkLock({ folder, id }: WriteLock): void {
  const found = find(folder);
  if (found?.record?.id === id) return;
  const what =
    found === null
      ? `${folder} or its ${LOCK_FILE} was removed while a run wrote there`
      : `${folder} was taken over by ${holderOf(found)}`;
  throw new CheckpointError('run', `${what}; this run ends here and writes nothing more`);
}

/** @throws ConfigError when a process that is seen to run writes in a folder */
export function refuseLocked(folder: string): void {
  const found = find(folder);
  if (found?.record && isRunning(found.record) === true) throw heldError(folder, found);
}

function fileOf(folder: string): string {
  return path.join(folder, LOCK_FILE);
}

function find(folder: string, file = fileOf(folder)): Found | null {
  try {
    const text = readSmall(file, MOST_BYTES).toString('utf8');
    return { text, changedMs: statSync(file).mtimeMs, record: recordIn(text) };
  } catch (error) {
    if (hasCode(error, ['ENOENT', 'ENOTDIR'])) return null;
    throw error;
  }
}

function recordIn(text: string): LockRecord | null {
  try {
    const { host, boot, pid, start, id, leaseS, since } = JSON.parse(text) as Partial<LockRecord>;
    const texts = [host, boot, id, since].every((each) => typeof each === 'string');
    const isRecord = texts && Number(pid) > 0 && Number(leaseS) >= 0;
    const known = { host, boot, pid, start: start ?? null, id, leaseS, since };
    return isRecord ? (known as LockRecord) : null;
  } catch {
    return null;
  }
}

/** Makes the lock file unless there is one. @returns the time by the disk's clock */
function link(folder: string, record: LockRecord): number {
  const file = fileOf(folder);
  const own = `${file}.${record.id}`;
  const text = `${JSON.stringify(record)}\n`;
  try {
    writeSynced(own, text);
    const { mtimeMs } = statSync(own);
    unless(['EEXIST'], () => {
      try {
        linkSync(own, file);
      } catch (error) {
        if (!hasCode(error, WITHOUT_LINKS)) throw error;
        // There it may be seen before it is written.
        writeFileSync(file, text, { flag: 'wx' });
      }
    });
    return mtimeMs;
  } finally {
    rmSync(own, { force: true });
  }
}

/** What `link` says on file systems without links. */
const WITHOUT_LINKS = ['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'];

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return isSystemError(error) && codes.includes(error.code ?? '');
}

/** Does something, which need not succeed where the system says one of these. */
function unless(codes: readonly string[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!hasCode(error, codes)) throw error;
  }
}

/** Writes the lock's own bytes again, so that the disk notes the time. What has its name by now may
 * be another's, and is not touched then. */
function renew({ folder, id }: WriteLock): void {
  const descriptor = openSync(fileOf(folder), 'r+');
  try {
    const text = readFileSync(descriptor, 'utf8');
    if (recordIn(text)?.id === id) writeSync(descriptor, text, 0);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether nobody holds a lock: its process is gone, or has not renewed it for its lease. */
async function isStale(
  folder: string,
  found: Found,
  nowMs: number,
  say: (line: string) => void,
): Promise<boolean> {
  const runs = found.record === null ? null : isRunning(found.record);
  if (runs !== null) return !runs;
  const leaseMs = 1000 * Math.min(found.record?.leaseS ?? LEASE_S, LEASE_S);
  let leftMs = Math.min(leaseMs, leaseMs - (nowMs - found.changedMs));
  if (leftMs > 1000) {
    const seconds = Math.ceil(leftMs / 1000);
    say(`waiting ${seconds} s to see whether ${holderOf(found)} still writes in ${folder}`);
  }
  while (leftMs > 0) {
    const pauseMs = Math.min(leftMs, 500);
    await sleep(pauseMs);
    leftMs -= pauseMs;
    const now = find(folder);
    if (now?.text !== found.text) return now === null;
    if (now.changedMs !== found.changedMs) return false;
  }
  return true;
}

/** Takes a stale lock away. Where another has taken its place meanwhile, that one is put back. */
function removeStale(folder: string, stale: Found): void {
  const file = fileOf(folder);
  const aside = `${file}.${randomUUID()}`;
  unless(['ENOENT'], () => renameSync(file, aside));
  try {
    const taken = find(folder, aside);
    if (taken !== null && taken.text !== stale.text)
      unless(['EEXIST'], () => linkSync(aside, file));
  } finally {
    rmSync(aside, { force: true });
  }
}

function holderOf({ record }: Found): string {
  if (record === null) return `whoever made its ${LOCK_FILE}`;
  const { host, pid, since } = record;
  const who = isRunning(record) !== null && pid === process.pid ? 'this process' : `process ${pid}`;
  return `${who} on ${host} (since ${since})`;
}

function heldError(folder: string, found: Found): ConfigError {
  const what = `${folder} is being written by ${holderOf(found)}`;
  return new ConfigError('run', `${what}; wait for its end or stop it, or choose another --out`);
}
