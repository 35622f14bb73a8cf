// Runs each command line that `CommandLine` sends, and sends back what it wrote.
import { runCommandLine } from '#src/cli/run-command-line.js';
import { PHANTOM } from './mpi.js';

// Hints name the command as it was started.
process.argv[1] = PHANTOM;

const written = { stdout: '', stderr: '' };
for (const name of ['stdout', 'stderr'] as const) {
  const write = (chunk: string | Uint8Array, ...others: readonly unknown[]) => {
    written[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    for (const done of others) if (typeof done === 'function') done();
    return true;
  };
  process[name].write = write;
}

process.on('message', (args: readonly string[]) => {
  Object.assign(written, { stdout: '', stderr: '' });
  void runCommandLine(args, null).then((status) => process.send?.({ status, ...written }));
});
