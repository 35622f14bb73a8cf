import { lstatSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { isSystemError } from '../base/files.js';
import { checkpointName } from './checkpoint-list.js';

/** What leads to the best checkpoint of a run, below `checkpoints/`. */
export const BEST = 'best';

/**
 * Lets `checkpoints/best` lead to the checkpoint of a step. What the best is, checkpoints say
 * themselves (`state.json`): the link is for people and for paths on a command line.
 *
 * @returns what went wrong, on a file system without links; null: nothing
 */
export function linkBest(checkpoints: string, step: number): string | null {
  const link = path.join(checkpoints, BEST);
  const fresh = path.join(checkpoints, `.${BEST}.partial`);
  const target = checkpointName(step);
  try {
    const isThere = lstatSync(link, { throwIfNoEntry: false }) !== undefined;
    if (isThere && readlinkSync(link) === target) return null;
    rmSync(fresh, { force: true });
    symlinkSync(target, fresh, 'dir');
    renameSync(fresh, link);
    return null;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return `no link ${link} to the best checkpoint, ${target}: ${error.message}`;
  }
}
