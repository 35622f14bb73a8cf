import { closeSync, readdirSync, readSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { PhantomError } from '../../base/errors.js';
import { isSystemError } from '../../base/files.js';
import { openRegular } from '../../base/regular-file.js';
import { readRunConfig, type RunConfig } from '../../checkpoints/run-folder.js';
import type { PageUpdate } from '../../report/page-data.js';
import type { RunData } from '../../runs/run-data.js';
import { describeRun, distinctNames, runState, skippedNotes } from '../../runs/run-folders.js';
import { EventReader } from '../../runs/run-record.js';

/** Runs in folders of runs, as those of a comparison are. */
const MOST_DEPTH = 3;
const MOST_RUNS = 500;
const MOST_FOLDERS = 5000;
/** Of one run at a time: what is left is read the next time. */
const MOST_BYTES = 1 << 23;
/** A longer line is no event. */
const MOST_LINE_BYTES = 1 << 20;

/** Follows what runs write in their folders: each `look` reads what has been added. Nothing is ever
 * written, and what cannot be read is skipped and said. */
export class RunWatcher {
  readonly #given: readonly string[];
  readonly #runs = new Map<string, WatchedRun>();
  #notes: readonly string[] = [];

  constructor(folders: readonly string[]) {
    this.#given = folders;
  }

  /** All that is known. */
  get all(): PageUpdate[] {
    const runs = [...this.#runs.values()].flatMap(({ data }) => (data === null ? [] : [data]));
    return [
      { type: 'notes', notes: this.#notes },
      ...runs.map((run): PageUpdate => ({ type: 'run', run })),
    ];
  }

  /** What is new since the last look. */
  look(): PageUpdate[] {
    const { folders, notes } = findRuns(this.#given);
    const names = distinctNames(folders);
    const updates: PageUpdate[] = [];
    for (const folder of this.#runs.keys()) {
      if (folders.includes(folder)) continue;
      this.#runs.delete(folder);
      updates.push({ type: 'gone', folder });
    }
    for (const [i, folder] of folders.entries()) {
      const run = this.#runs.get(folder) ?? new WatchedRun(folder);
      this.#runs.set(folder, run);
      try {
        const data = run.look(names[i] ?? folder);
        if (data !== null) updates.push({ type: 'run', run: data });
        if (run.data === null) notes.push(`${folder} has no metrics.jsonl yet`);
      } catch (error) {
        if (!(error instanceof PhantomError) && !isSystemError(error)) throw error;
        notes.push(`skipped: ${error.message}`);
      }
    }
    if (notes.join('\n') !== this.#notes.join('\n')) updates.unshift({ type: 'notes', notes });
    this.#notes = notes;
    return updates;
  }
}

function findRuns(given: readonly string[]): { folders: string[]; notes: string[] } {
  const found = new Set<string>();
  const notes: string[] = [];
  let seen = 0;
  /** @returns the largest folders in which there is no run */
  const walk = (folder: string, depth: number): string[] => {
    let entries: ReturnType<typeof list>;
    try {
      entries = list(folder);
    } catch (error) {
      // One that is gone since it was listed is none.
      const isGone = depth > 0 && (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isGone) notes.push(`${folder} cannot be read yet: ${(error as Error).message}`);
      return [];
    }
    if (entries.some((entry) => entry.name === 'config.json' && entry.isFile())) {
      found.add(path.resolve(folder));
      return [];
    }
    if (depth === MOST_DEPTH) return [folder];
    const before = found.size;
    const without: string[] = [];
    for (const entry of entries) {
      if (!entry.isDirectory() || entry.name.startsWith('.') || ++seen > MOST_FOLDERS) continue;
      without.push(...walk(path.join(folder, entry.name), depth + 1));
    }
    return found.size > before ? without : [folder];
  };
  notes.push(...skippedNotes(given.flatMap((folder) => walk(folder, 0))));
  if (seen > MOST_FOLDERS) notes.push(`only the first ${MOST_FOLDERS} folders are looked into`);
  if (found.size > MOST_RUNS) notes.push(`only ${MOST_RUNS} of ${found.size} runs are shown`);
  return { folders: [...found].slice(0, MOST_RUNS), notes };
}

function list(folder: string) {
  return readdirSync(folder, { withFileTypes: true }).toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  );
}

/** A run whose metrics are read as they come. */
class WatchedRun {
  readonly #folder: string;
  #reader = new EventReader();
  #config: RunConfig | null = null;
  #file: Stats | null = null;
  #offset = 0;
  #lines = 0;
  #tail = Buffer.alloc(0);
  /** null: it has written nothing yet. */
  data: RunData | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns the run where something of it has changed. @throws CheckpointError when it is none */
  look(name: string): RunData | null {
    const metrics = path.join(this.#folder, 'metrics.jsonl');
    const now = statSync(metrics, { throwIfNoEntry: false });
    if (now === undefined) {
      this.#config = readRunConfig(this.#folder);
      return null;
    }
    // A run that goes on writes its file anew, up to the checkpoint that it goes on from.
    if (this.#file !== null && isAnother(this.#file, now)) {
      this.#reader = new EventReader();
      [this.#offset, this.#lines, this.#tail] = [0, 0, Buffer.alloc(0)];
      this.#config = null;
    }
    this.#file = now;
    this.#config ??= readRunConfig(this.#folder);
    const hasNew = this.#read(metrics, now.size);
    // Damage in the middle of a file is said by the reader; its end may still be being written.
    const record = this.#reader.record(this.#folder, name, this.#config, '');
    const isSame = this.data?.name === name && this.data.state === runState(record);
    if (isSame && !hasNew) return null;
    const problems = record.problems.filter((problem) => !problem.startsWith('no end event'));
    this.data = describeRun({ ...record, problems });
    return this.data;
  }

  #read(file: string, size: number): boolean {
    const length = Math.min(size - this.#offset, MOST_BYTES);
    if (length <= 0) return false;
    const bytes = Buffer.alloc(length);
    const { descriptor } = openRegular(file);
    let count: number;
    try {
      count = readSync(descriptor, bytes, 0, length, this.#offset);
    } finally {
      closeSync(descriptor);
    }
    this.#offset += count;
    const text = Buffer.concat([this.#tail, bytes.subarray(0, count)]);
    const end = text.lastIndexOf(10) + 1;
    for (const line of text.subarray(0, end).toString('utf8').split('\n').slice(0, -1)) {
      this.#reader.read(line, ++this.#lines);
    }
    const rest = text.subarray(end);
    this.#tail = rest.length > MOST_LINE_BYTES ? Buffer.from('?') : Buffer.from(rest);
    return end > 0;
  }
}

/** Whether a file of the same name is not the one that has grown: inodes are used again. */
function isAnother(before: Stats, now: Stats): boolean {
  if (before.ino !== now.ino || before.birthtimeMs !== now.birthtimeMs) return true;
  return now.size < before.size || (now.size === before.size && now.mtimeMs !== before.mtimeMs);
}
