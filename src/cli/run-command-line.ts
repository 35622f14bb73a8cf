import { Command } from 'commander';
import { invocation } from '../base/invocation.js';
import { hint } from '../base/nearest.js';
import { checkLimits } from '../base/process-limits.js';
import { packageVersion } from '../base/version.js';
import type { Launcher } from '../communicators/launcher.js';
import { COMMANDS, programExamples } from './command-list.js';
import { parseCommandLine } from './command.js';
import { EXIT, reportRankFailure, UsageError } from './failure.js';

/**
 * Runs the command that the words name; what goes wrong is written as people read it.
 *
 * @param args without the program's own name
 * @param launcher of the job that this process is a rank of; null: of none
 * @returns the exit code
 */
export async function runCommandLine(
  args: readonly string[],
  launcher: Launcher | null,
): Promise<number> {
  try {
    return await run(args, launcher);
  } catch (error) {
    return reportRankFailure(error, ownArguments(args).includes('--json'), launcher?.rank ?? 0);
  }
}

async function run(args: readonly string[], launcher: Launcher | null): Promise<number> {
  const [first] = args;
  if (first === '--version' || first === '-v' || first === '-V') {
    process.stdout.write(`${packageVersion()}\n`);
    return EXIT.fine;
  }
  const [name, ...others] = first === 'help' ? [...args.slice(1, 2), '--help'] : args;
  if (name === undefined || name === '--help' || name === '-h') {
    const isAsked = name !== undefined;
    process[isAsked ? 'stdout' : 'stderr'].write(programHelp());
    return isAsked ? EXIT.fine : EXIT.user;
  }
  if (name.startsWith('-')) {
    const flags = ['--help', '--version'];
    throw new UsageError(
      'flags',
      `unknown flag ${name}${hint(name, flags)}; a command comes first`,
    );
  }
  const listed = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (listed === undefined) {
    const hinted = hint(name, [...Object.keys(COMMANDS), 'help']);
    throw new UsageError('command', `unknown command ${name}${hinted}`);
  }
  checkLimits(0);
  const { command } = await listed.load();
  const line = parseCommandLine(name, listed.about, command, others);
  return line === null ? EXIT.fine : command.run(line, launcher);
}

function programHelp(): string {
  const phantom = invocation();
  const program = new Command(phantom)
    .description('Train and serve feed-forward networks with phantom and tensor parallelism.')
    .usage('<command> [flags]')
    .option('-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help; that of a command: help <command>')
    .helpCommand(false);
  for (const [name, { about, group }] of Object.entries(COMMANDS)) {
    program.command(name).usage('').description(about).helpGroup(`${group}:`);
  }
  const examples = programExamples(phantom).map((example) => `  $ ${example}`);
  return `${program.helpInformation()}\nExamples:\n${examples.join('\n')}\n`;
}

/** Those before `--`: what follows is another program's. */
function ownArguments(all: readonly string[]): readonly string[] {
  const end = all.indexOf('--');
  return end < 0 ? all : all.slice(0, end);
}
