// The rank of a process that has failed before its run: it takes part in telling so.
import { runRankProgram } from './rank-program.js';

await runRankProgram(() => null);
