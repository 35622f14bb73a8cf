import path from 'node:path';

/** The command's names in package.json. */
const NAMES = new Set(['phantom-parallel', 'phantom']);
/** Works wherever the package is installed; `npx phantom` may find a package of someone else. */
const ANYWHERE = 'npx phantom-parallel';

/** What `invocation` looks at. */
export interface Process {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  cwd(): string;
}

/**
 * The words that start this command again from the same shell: `phantom` where it is on the PATH,
 * `npx phantom-parallel` where npm started it or a program uses the library, else the path of the
 * script, as in `node dist/cli/main.js`.
 */
export function invocation(started: Process = process): string {
  const { argv, env } = started;
  const script = argv[1] ?? '';
  const folder = path.dirname(script);
  const name = path.basename(script);
  if (NAMES.has(name)) {
    // npm puts its own folders on the PATH, for the time of this command.
    if (env['npm_command'] !== undefined) return ANYWHERE;
    const onPath = (env['PATH'] ?? '').split(path.delimiter).includes(folder);
    return onPath ? name : quoteWord(shortest(script, started.cwd()));
  }
  const isOwn = name === 'main.js' && path.basename(folder) === 'cli';
  return isOwn ? `node ${quoteWord(shortest(script, started.cwd()))}` : ANYWHERE;
}

/** A command line for this command that can be pasted into the shell that it was started from. */
export function commandLine(...words: readonly string[]): string {
  return [invocation(), ...words.map(quoteWord)].join(' ');
}

/** A word of a POSIX shell, in quotes where it needs them. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** From the current folder where the file is below it. A word without a slash would be looked for
 * on the PATH. */
function shortest(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  if (relative === '' || relative.startsWith('..') || path.isAbsolute(relative)) return file;
  return relative.includes(path.sep) ? relative : `.${path.sep}${relative}`;
}
