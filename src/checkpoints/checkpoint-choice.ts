import { existsSync } from 'node:fs';
import path from 'node:path';
import { CheckpointError } from '../base/errors.js';
import { readCheckpointState } from './checkpoint-folder.js';
import { type FoundCheckpoint, listCheckpoints } from './checkpoint-list.js';
import { bestText } from './training-progress.js';
import { newestCheckpoint } from './run-folder.js';

/** A checkpoint that was chosen among those of a run. */
export interface ChosenCheckpoint extends FoundCheckpoint {
  /** Which one it is, in words: `the best, with validation loss 0.3125; the last is step 120`. */
  readonly standing: string;
}

/**
 * The checkpoint of a run that is to be opened.
 *
 * @param choice `best`, by validation; `last`; `step-100`; a path. null: the best where the run has
 *   one, else the last
 * @throws CheckpointError when there is none such
 */
export function chooseCheckpoint(runFolder: string, choice: string | null): ChosenCheckpoint {
  const step = /^step-(\d{1,15})$/.exec(choice ?? '')?.[1];
  if (step !== undefined) return atStep(runFolder, Number(step));
  if (choice !== null && choice !== 'best' && choice !== 'last') return at(runFolder, choice);
  const last = newestCheckpoint(runFolder);
  const { best } = readCheckpointState(last.folder).progress;
  if (choice === 'best' && best === null) {
    throw new CheckpointError(
      'checkpoint',
      `${runFolder} has no best checkpoint, as nothing was validated; use --checkpoint last`,
    );
  }
  if (choice === 'last' || best === null) return { ...last, standing: 'the last' };
  const there = listCheckpoints(path.join(runFolder, 'checkpoints'));
  const found = there.find(({ step: one }) => one === best.step);
  if (found === undefined) {
    const what = `the best checkpoint of ${runFolder}, that of step ${best.step}, is missing`;
    throw new CheckpointError('checkpoint', `${what}; use --checkpoint last`);
  }
  const words = `the best, with ${bestText(best)}`;
  const rest = best.step === last.step ? ', and the last' : `; the last is step ${last.step}`;
  return { ...found, standing: words + rest };
}

function atStep(runFolder: string, step: number): ChosenCheckpoint {
  const there = listCheckpoints(path.join(runFolder, 'checkpoints'));
  const found = there.find((each) => each.step === step);
  if (found !== undefined) return { ...found, standing: 'as chosen' };
  const what = `${runFolder} has no checkpoint of step ${step}`;
  const steps = there.map((each) => each.step).join(', ');
  throw new CheckpointError('checkpoint', `${what}; it has those of step ${steps}`);
}

function at(runFolder: string, folder: string): ChosenCheckpoint {
  const isOwn = path.dirname(path.resolve(folder)) === path.resolve(runFolder, 'checkpoints');
  if (isOwn && existsSync(folder)) {
    return { folder, step: readCheckpointState(folder).step, standing: 'as chosen' };
  }
  const what = `${folder} is no checkpoint of ${runFolder}`;
  throw new CheckpointError('checkpoint', `${what}; use best, last, step-100 or a path`);
}
