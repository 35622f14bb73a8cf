import { Command, CommanderError, Option } from 'commander';
import type { Launcher } from '../communicators/launcher.js';
import { invocation } from '../base/invocation.js';
import { flagOf } from '../settings/keys.js';
import { EXIT, UsageError, usageError } from './failure.js';
import { type Flag, type FlagTable, type FlagValues, readFlags, type TypedFlags } from './flags.js';
import { fillParagraphs } from './table.js';

/** What stands on a command line besides flags. */
export interface Operand {
  readonly name: string;
  readonly about: string;
  readonly count: 'one' | 'at most one' | 'one or more' | 'any number';
}

/** Text below the flags of `--help`. */
export interface Help {
  /** Lines of at most 100 columns; empty: none. */
  readonly notes: string;
  /** Command lines. */
  readonly examples: readonly string[];
}

/** What a command was called with. */
export interface Call<T> {
  readonly operands: readonly string[];
  readonly flags: FlagValues<T>;
  /** The flags as they were typed, and only those. */
  readonly typed: TypedFlags;
  /** Of the job that this process is a rank of; null: of none. */
  readonly launcher: Launcher | null;
}

/** What a command's file says of it. */
interface Definition<T extends FlagTable> {
  readonly operands: readonly Operand[];
  readonly flags: T;
  /** `plain`: operands and flags in any order. `program`: all that follows the first operand is
   * another program's. `after --`: operands are another command's, after `--`. */
  readonly style: 'plain' | 'program' | 'after --';
  /** @param phantom how people call the command */
  help(phantom: string): Help;
  /** @returns the exit code */
  run(call: Call<T>): Promise<number>;
}

/** A command, its flags still texts. */
export interface CommandModel extends Omit<Definition<FlagTable>, 'run'> {
  run(line: CommandLine, launcher: Launcher | null): Promise<number>;
}

/** A command line, taken apart. */
export interface CommandLine {
  readonly operands: readonly string[];
  readonly typed: TypedFlags;
}

export function defineCommand<const T extends FlagTable>(definition: Definition<T>): CommandModel {
  const { operands, flags, style } = definition;
  return {
    operands,
    flags,
    style,
    help: (phantom) => definition.help(phantom),
    run: ({ operands: words, typed }, launcher) =>
      definition.run({ operands: words, flags: readFlags(flags, typed), typed, launcher }),
  };
}

/**
 * Takes a command line apart. `--help` is answered at once.
 *
 * @returns null when help was printed
 * @throws UsageError for flags that the command does not have, and operands too many or too few
 */
export function parseCommandLine(
  name: string,
  about: string,
  model: CommandModel,
  args: readonly string[],
): CommandLine | null {
  const command = commandOf(name, about, model);
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === EXIT.fine) return null;
    const flags = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '');
    throw usageError(error, [...flags, '--help']);
  }
  const options = command.opts<Record<string, string | boolean>>();
  const typed = Object.keys(model.flags).flatMap((key) => {
    const value = options[key];
    const isGiven = command.getOptionValueSource(key) === 'cli';
    return isGiven && value !== undefined ? [[key, value] as const] : [];
  });
  return { operands: command.args, typed: Object.fromEntries(typed) };
}

function commandOf(name: string, about: string, model: CommandModel): Command {
  const phantom = invocation();
  const command = new Command(`${phantom} ${name}`)
    .description(about)
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', helpText(model.help(phantom), process.stdout.columns));
  for (const { name: word, about: what, count } of model.operands) {
    const dots = count === 'one or more' || count === 'any number' ? '...' : '';
    const isOptional = count === 'at most one' || count === 'any number';
    command.argument(isOptional ? `[${word}${dots}]` : `<${word}${dots}>`, what);
  }
  if (model.style === 'program') command.passThroughOptions();
  if (model.style === 'after --')
    command.allowExcessArguments().usage('[options] -- train [config] [settings]');
  const flags = Object.entries(model.flags);
  const groups = [...new Set(flags.map(([, { group }]) => group ?? ''))];
  for (const group of groups.toSorted((a, b) => Number(a === '') - Number(b === ''))) {
    for (const [key, flag] of flags) {
      if ((flag.group ?? '') !== group) continue;
      for (const option of optionsOf(key, flag)) {
        command.addOption(group === '' ? option : option.helpGroup(`${group}:`));
      }
    }
  }
  return command;
}

/** @param columns of the terminal; undefined: none, and lines stay as they are written */
function helpText({ notes, examples }: Help, columns?: number): string {
  const lines = examples.map((example) => `  $ ${example}`);
  const text = columns === undefined ? notes.trim() : fillParagraphs(notes.trim(), columns);
  return `${text === '' ? '' : `\n${text}\n`}\nExamples:\n${lines.join('\n')}`;
}

function optionsOf(key: string, setting: Flag): Option[] {
  const flag = flagOf(key);
  if (setting.kind === 'switch') {
    const off = `--no-${flag.slice(2)}`;
    const positive = new Option(flag, setting.about);
    const negative = new Option(off, setting.off ?? `not ${flag}`);
    if (setting.hidden) return [positive.hideHelp(), negative.hideHelp()];
    return setting.initial === true
      ? [positive.hideHelp(), negative]
      : [positive, negative.hideHelp()];
  }
  const placeholder = setting.placeholder ?? 'name';
  const value = setting.bare ? `[${placeholder}]` : `<${placeholder}>`;
  const option = new Option(`${flag} ${value}`, setting.about + remarksOn(setting));
  if (setting.hidden) option.hideHelp();
  return [option.argParser((text: string) => requireValue(flag, text))];
}

/** A value that is a flag itself: the flag's own was forgotten. */
function requireValue(flag: string, text: string): string {
  if (!text.startsWith('--')) return text;
  throw new UsageError('flags', `${flag} needs a value; ${text} follows it`);
}

function remarksOn(setting: Flag): string {
  const { initial, fallback } = setting;
  const initialText = initial === null ? fallback : String(initial);
  const remarks = [
    ...(setting.kind === 'choice' ? [setting.choices.join(', ')] : []),
    ...(setting.required ? ['required'] : []),
    ...(initialText === undefined ? [] : [`default: ${initialText}`]),
  ];
  return remarks.length === 0 ? '' : ` (${remarks.join('; ')})`;
}
