import { matrixRowsOf } from '../matrix-shards.js';

/** The rows of the matrix that belong to one block: `weight` [n, inputs]. */
export const gatherParameters = matrixRowsOf;
