import { defineCommand } from './command.js';
import { createConsole } from './console.js';
import { EXIT } from './failure.js';
import type { FlagTable } from './flags.js';
import { ACCESS_FLAGS, isLoopback, readAccess } from './server-access.js';

const FLAGS = {
  port: {
    kind: 'integer',
    placeholder: 'n',
    least: 0,
    most: 65_535,
    about: 'TCP port; 0: any free one',
    initial: 8800,
  },
  ...ACCESS_FLAGS,
} as const satisfies FlagTable;

const TOKEN_VARIABLE = 'PHANTOM_WATCH_TOKEN';

export const command = defineCommand({
  operands: [
    {
      name: 'folder',
      about: 'run folders, and folders of such folders; default runs',
      count: 'any number',
    },
  ],
  flags: FLAGS,
  style: 'plain',
  help: (phantom) => ({
    notes: `
A page that follows runs as they go, those that start later too: losses and metrics, rates, samples
per second, joules, the phases of each rank's step. It reads what runs write in their folders, on
this machine or a shared disk, and writes nothing. Runs that cannot be read are named and skipped.

Requests must be addressed to this machine: by a loopback name, --host, --allow-host, or the address
at which they arrived. ${TOKEN_VARIABLE}, or --token-file, sets a token for what the page shows:
open the address with #token=… behind it.`,
    examples: [
      `${phantom} watch`,
      `${phantom} watch runs /shared/runs --port 9000`,
      `${phantom} train --steps 500 --out runs/first --watch`,
    ],
  }),
  async run({ operands, flags }) {
    const { startWatch } = await import('../app/watch/watch-server.js');
    const console = createConsole();
    const { host, port } = flags;
    const access = readAccess(flags, 'watch', TOKEN_VARIABLE);
    const folders = operands.length === 0 ? ['runs'] : operands;
    const watch = await startWatch({ folders, host, port, ...access });
    if (!isLoopback(host) && access.token === null) {
      console.err(`warning: other machines can reach ${watch.url}, and no token is set`);
    }
    console.out(`Watching ${folders.join(', ')}: ${watch.url} (Ctrl-C ends)`);
    await new Promise<void>((resolve) => {
      process.once('SIGINT', () => resolve());
      process.once('SIGTERM', () => resolve());
    });
    await watch.close();
    return EXIT.fine;
  },
});
