// Folders of runs and models from a seed: right ones with one file changed, for what reads them.
import { cpSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { evaluate, loadModel, type LoadedModel, train } from 'phantom-parallel';
import { reblock } from 'phantom-parallel/compression';
import {
  formatCheckpointState,
  hashFile,
  readCheckpointState,
} from '#src/checkpoints/checkpoint-folder.js';
import { formatDescription } from '#src/checkpoints/own-hash.js';
import { FolderLock } from '#src/checkpoints/run-lock.js';
import { HOUSES, trainHouses } from '../../support/houses.js';
import { changedBytes } from './fuzz-files.js';
import { changedMeaning } from './changed-meaning.js';
import { Dice } from './infer-bodies.js';

const FEATURES = 4;
const STEPS = 4;
const CHECKPOINT = path.join('checkpoints', `step-${String(STEPS).padStart(8, '0')}`);

/** Something that reads a folder. */
export interface FolderUse {
  readonly name: string;
  /** @throws what it says of a folder that is not right */
  use(folder: string): Promise<void>;
}

/** A folder, one file of which is changed. */
export interface ChangedFolder {
  readonly what: string;
  readonly folder: string;
  readonly use: FolderUse;
  /** Whether the change has to be found: no hash was put right after it. */
  readonly mustRefuse: boolean;
}

/** A file of a folder, and what reads it. */
interface FolderFile {
  readonly source: string;
  readonly name: string;
  readonly uses: readonly FolderUse[];
  /** Whether people may change it, when they take its hash away, or nobody minds. */
  readonly isFree: boolean;
}

/** Answers are as many as they should be, whatever they are. */
async function answered(model: LoadedModel, answer: () => Promise<unknown[]>): Promise<void> {
  try {
    const { length } = await answer();
    if (length !== 2) throw new Error(`2 rows have ${length} answers`);
  } finally {
    await model.close();
  }
}

const LOAD: FolderUse = {
  name: 'loadModel',
  async use(folder) {
    const model = await loadModel(folder, { engine: 'wasm', ranks: 1, timeoutS: 20 });
    const row = new Float32Array(model.features);
    await answered(model, () => model.predict([row, row]));
  },
};
const LOAD_NAMED: FolderUse = {
  name: 'loadModel and rows by name',
  async use(folder) {
    const model = await loadModel(folder, { engine: 'wasm', ranks: 1, timeoutS: 20 });
    const rows = HOUSES.slice(0, 2).map((house) => ({ ...house }));
    await answered(model, () => model.predict(rows, { onWarning: () => {} }));
  },
};
const EVALUATE: FolderUse = {
  name: 'evaluate',
  async use(folder) {
    await evaluate({ model: folder, engine: 'wasm', ranks: 1 });
  },
};
const RESUME: FolderUse = {
  name: 'resume',
  async use(folder) {
    await train({ steps: STEPS + 1, ranks: 1 }, { resume: folder });
  },
};

/** Changes files of a run and of a model of a table. */
export class FolderFuzzer {
  readonly #copy: string;
  readonly #files: readonly FolderFile[];

  /** Makes both in a folder. */
  static async create(folder: string): Promise<FolderFuzzer> {
    const run = path.join(folder, 'run');
    await train({
      ...{ width: 8, depth: 2, blocks: 2, ghosts: 1, ranks: 2, engine: 'wasm', meter: 'none' },
      ...{ data: `synthetic:teacher?widths=${FEATURES},8,2&validation=8`, optimizer: 'momentum' },
      ...{ batch: 4, steps: STEPS, checkpointEvery: STEPS, out: run },
    });
    const lock = new FolderLock();
    await lock.take(run, () => {});
    const locked = JSON.parse(readFileSync(path.join(run, 'run.lock'), 'utf8')) as object;
    lock.release();
    // Of a process that is gone.
    writeFileSync(path.join(run, 'run.lock'), JSON.stringify({ ...locked, start: '1' }));
    const houses = await trainHouses(folder);
    const model = path.join(folder, 'model');
    await reblock({ model: houses, blocks: 4, out: model, engine: 'wasm' });
    return new FolderFuzzer(path.join(folder, 'copy'), run, model);
  }

  private constructor(copy: string, run: string, model: string) {
    this.#copy = copy;
    const inRun = (name: string, uses: readonly FolderUse[], isFree = false) => ({
      source: run,
      name,
      uses,
      isFree,
    });
    this.#files = [
      ...readdirSync(path.join(run, CHECKPOINT)).map((name) =>
        inRun(
          path.join(CHECKPOINT, name),
          name.startsWith('optimizer') ? [RESUME] : [LOAD, EVALUATE, RESUME],
        ),
      ),
      inRun('config.json', [LOAD, EVALUATE, RESUME], true),
      inRun('run.lock', [RESUME], true),
      ...readdirSync(model).map((name) => ({
        source: model,
        name,
        uses: [LOAD_NAMED],
        isFree: name === 'model.json',
      })),
    ];
  }

  /** What is changed in none of its files, for each use. */
  right(): readonly ChangedFolder[] {
    const seen = new Set<FolderUse>();
    const all = this.#files.flatMap((file) => file.uses.map((use) => ({ file, use })));
    return all.flatMap(({ file, use }) => {
      if (seen.has(use)) return [];
      seen.add(use);
      return [{ what: use.name, folder: file.source, use, mustRefuse: false }];
    });
  }

  /** The one that the seed's `index` chooses. It is good until the next call. */
  changed(seed: number, index: number): ChangedFolder {
    const dice = new Dice(seed, `folder ${index}`);
    const { source, name, uses, isFree } = dice.pick(this.#files);
    const folder = this.#copy;
    rmSync(folder, { recursive: true, force: true });
    cpSync(source, folder, { recursive: true });
    const file = path.join(folder, name);
    const right = readFileSync(file);
    // Most changes of bytes leave no JSON, which is found before anything else.
    const bytes = dice.chance(0.3) ? changedBytes(right, dice) : changedMeaning(right, name, dice);
    writeFileSync(file, bytes);
    if (name === 'run.lock') utimesSync(file, 0, 0);
    const isSealed = dice.chance(0.8) && seal(folder, name);
    const use = dice.pick(uses);
    const what = `${use.name} of a changed ${name}${isSealed ? ', hashed again' : ''}`;
    return { what, folder, use, mustRefuse: !isSealed && !isFree && !right.equals(bytes) };
  }
}

/** Puts hashes right after a change, so that what is in the file is looked at. @returns whether it
 * could */
function seal(folder: string, name: string): boolean {
  const file = path.join(folder, name);
  const base = path.basename(name);
  if (base === 'run.lock') return false;
  try {
    if (base === 'state.json') {
      const { stateSha256: _own, ...state } = JSON.parse(readFileSync(file, 'utf8'));
      writeFileSync(file, formatCheckpointState(state));
    } else if (base === 'config.json' || base === 'model.json') {
      writeFileSync(file, formatDescription(JSON.parse(readFileSync(file, 'utf8'))));
    } else if (name.startsWith('checkpoints')) {
      const checkpoint = path.dirname(file);
      const { stateSha256: _own, ...state } = readCheckpointState(checkpoint);
      const files = { ...state.files, [base]: hashFile(file) };
      const text = formatCheckpointState({ ...state, files });
      writeFileSync(path.join(checkpoint, 'state.json'), text);
    } else {
      const description = path.join(folder, 'model.json');
      const model = JSON.parse(readFileSync(description, 'utf8')) as { files: object };
      const files = { ...model.files, [base]: hashFile(file) };
      writeFileSync(description, formatDescription({ ...model, files }));
    }
    return true;
  } catch (error) {
    // The changed file is no JSON any more.
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
