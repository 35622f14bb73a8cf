// Rank 1 dies while the others wait for it.
import { ConfigError } from '#src/base/errors.js';
import { Communicator } from '#src/communicators/communicator.js';
import { runRank } from '#src/communicators/threads/threads-worker.js';

await runRank<'throw' | 'exit' | 'out of memory'>(async ({ data, rank, transport }) => {
  const communicator = new Communicator(transport);
  communicator.barrier();
  if (rank === 1) {
    if (data === 'throw') throw new ConfigError('rank', 'out of ghosts');
    if (data === 'exit') process.exit(7);
    const hoard: number[][] = [];
    for (;;) hoard.push(Array.from({ length: 10_000 }, Math.random));
  }
  communicator.barrier();
});
