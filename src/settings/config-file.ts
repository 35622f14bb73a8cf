import os from 'node:os';
import path from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument, type YAMLError } from 'yaml';
import { ConfigError } from '../base/errors.js';
import { readSmall } from '../base/regular-file.js';
import type { SettingsSource } from './resolve.js';
import { checkGiven, type GivenSettings, joinProblems } from './given.js';
import { type SettingKey, settingOf } from './keys.js';

/** Spaces and marks of lists before the text of a line. */
const MOST_INDENT = /^[ \t?:-]{200}/m;
/** Of brackets in brackets; a config needs two. */
const MOST_DEPTH = 32;
/** Far beyond any config; a larger file is something else. */
const MAX_CONFIG_BYTES = 1 << 16;
const TOO_DEEP = 'nested too deeply for a config';

/**
 * Reads a config file, YAML or JSON by its extension. An empty file sets nothing. The key
 * `$schema` is for editors.
 *
 * @throws ConfigError with every problem of the file, one a line, each with its line number
 */
export function loadConfigFile(file: string): SettingsSource {
  const json = path.extname(file).toLowerCase() === '.json';
  const text = readBounded(file);
  if (json) checkJson(file, text);
  const lines = new LineCounter();
  const document = parse(file, text, lines);
  // What follows the first error of syntax is mostly its consequence.
  const [broken] = [...document.errors, ...document.warnings];
  if (broken) {
    const { line } = lines.linePos(broken.pos[0]);
    throw problemsOf(file, [{ line, message: wordsOf(broken) }]);
  }

  const given = plain(file, document);
  if (given === null || given === undefined) return { where: file, settings: {} };
  if (!isMap(document.contents)) {
    throw new ConfigError(
      file,
      `holds ${kindOf(given)}; needs keys and values, as in "width: 1024"`,
    );
  }
  const { $schema: _, ...settings } = given as Record<string, unknown>;
  const checked = checkGiven(settings);
  const lineOf = (key: string | null) => {
    const pair = isMap(document.contents)
      ? document.contents.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    const start = isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
    return start === undefined ? null : lines.linePos(start).line;
  };
  if (checked.problems.length > 0) {
    throw problemsOf(
      file,
      checked.problems
        .map(({ key, message }) => ({ line: lineOf(key), message }))
        .toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    );
  }
  return { where: file, settings: withHome(checked.settings) };
}

/** What a shell does on a command line: `~/a.csv` is below the home folder. */
function withHome(settings: GivenSettings): GivenSettings {
  const expanded = Object.entries(settings).map(([key, value]) => {
    const isPath = settingOf(key as SettingKey).path === true && typeof value === 'string';
    return [key, isPath ? value.replace(/^~(?=\/|$)/, os.homedir()) : value];
  });
  return Object.fromEntries(expanded) as GivenSettings;
}

function readBounded(file: string): string {
  try {
    const bytes = readSmall(file, MAX_CONFIG_BYTES);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    refuseDeep(file, text);
    return text;
  } catch (error) {
    if (error instanceof TypeError) throw new ConfigError(file, 'not UTF-8 text', { cause: error });
    throw unreadable(file, error);
  }
}

/** YAML that is deep takes the parser seconds, or all memory. */
function refuseDeep(file: string, text: string): void {
  if (MOST_INDENT.test(text)) throw new ConfigError(file, 'a line that is indented too far');
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
    if (depth > MOST_DEPTH) throw new ConfigError(file, `more than ${MOST_DEPTH} brackets deep`);
  }
}

function unreadable(file: string, cause: unknown): ConfigError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const reasons: Record<string, string> = {
    ENOENT: 'no such config file',
    ENOTFILE: 'not a regular file; a config is a YAML or JSON file',
    EFBIG: `a config has at most ${MAX_CONFIG_BYTES} bytes: is this data?`,
  };
  const what = reasons[code] ?? `cannot be read: ${code}`;
  return new ConfigError(file, what, { cause });
}

/** YAML takes more than JSON does; a `.json` file should be one for every tool. */
function checkJson(file: string, text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    const message = (error as Error).message;
    const position = /at position (\d+)/.exec(message)?.[1];
    const line = position === undefined ? null : text.slice(0, Number(position)).split('\n').length;
    throw problemsOf(file, [{ line, message: `not JSON: ${firstLine(message)}` }]);
  }
}

function wordsOf({ code, message }: YAMLError): string {
  if (code === 'MULTIPLE_DOCS') return 'more than one document';
  return /call stack/.test(message) ? TOO_DEEP : firstLine(message);
}

function parse(file: string, text: string, lineCounter: LineCounter): Document {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(file, TOO_DEEP, { cause: error });
  }
}

function plain(file: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 20 });
  } catch (error) {
    if (!(error instanceof ReferenceError || error instanceof RangeError)) throw error;
    throw new ConfigError(file, firstLine(error.message), { cause: error });
  }
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'a list' : `the ${typeof value} ${String(value).slice(0, 40)}`;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.replace(/:$/, '') ?? '';
}

function problemsOf(
  file: string,
  problems: readonly { readonly line: number | null; readonly message: string }[],
): ConfigError {
  const lines = problems.map(({ line, message }) => ({
    where: line === null ? file : `${file}:${line}`,
    message,
  }));
  return new ConfigError(...joinProblems(lines));
}
