import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../../base/errors.js';
import { MISSING_IN_CASES } from './cells.js';
import { readCsvHead } from './csv-head.js';
import { type Database, identifier, literal } from './database.js';

/** Rows that the database can be asked for, whatever holds them. */
export interface Relation {
  /** `(select … from …)`, with the columns below, in their order. */
  readonly sql: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Columns that pandas or R wrote as row labels, with the reason. */
  readonly indexes: ReadonlyMap<string, string>;
  readonly notes: readonly string[];
}

export interface RelationOptions {
  readonly header?: boolean | 'auto';
}

const TEXT = ['.csv', '.tsv', '.txt'];
const JSON_ENDINGS = ['.json', '.jsonl', '.ndjson'];
const ENDINGS = [...TEXT, ...JSON_ENDINGS, '.parquet'];
/** Names are looked at one by one: a folder beyond this is no table. */
const MOST_FILES = 100_000;

/** Tables of the package, by the names that stand for them; queries know them as well. */
const PACKAGED: ReadonlyMap<string, URL> = new Map([
  ['steam', new URL('../../../datasets/steam.parquet', import.meta.url)],
]);

/** Whether a location is for the database: a query, a pattern, a table of the package, or a file or
 * folder of tables. @throws DataError for the address of another machine */
export function isTableLocation(location: string): boolean {
  refuseRemote(location);
  if (isQuery(location) || isPattern(location) || packagedFile(location) !== null) return true;
  if (endingOf(location) !== null) return true;
  return isFolder(location) && tableFilesIn(location).length > 0;
}

/** @throws DataError for an address of another machine, or a query that names one */
function refuseRemote(location: string): void {
  const pattern = isQuery(location)
    ? /['"]([a-z][a-z0-9]{0,9}:\/\/[^'"]*)/i
    : /^([a-z][a-z0-9]{0,9}:\/\/.*)/i;
  const address = pattern.exec(location)?.[1];
  if (address === undefined) return;
  const tools: Record<string, string> = { s3: 'aws s3 cp', gs: 'gcloud storage cp' };
  const tool = tools[address.split(':', 1)[0]?.toLowerCase() ?? ''];
  const name = address.split(/[?#]/, 1)[0]?.split('/').at(-1) || 'data';
  const how = tool === undefined ? `curl -Lo ${name} ${address}` : `${tool} ${address} ${name}`;
  throw new DataError(
    'data',
    `${address} is remote; only local files are read: download it, as with ${how}`,
  );
}

/** `select …` or `with …`. */
export function isQuery(location: string): boolean {
  return /^\s*(select|with|from)\s/i.test(location);
}

/**
 * The rows of a file, a folder or pattern of files of one format, or a query in SQL.
 *
 * @throws DataError for what is missing, mixed, remote or not readable
 */
export async function openRelation(
  database: Database,
  location: string,
  { header = 'auto' }: RelationOptions = {},
): Promise<Relation> {
  if (isQuery(location)) {
    await definePackaged(database, location);
    return described(database, `(${location.replace(/;\s*$/, '')})`, 'the query');
  }
  const files = filesOf(location);
  const [first = ''] = files;
  const ending = endingOf(first);
  if (ending === null) {
    throw new DataError('data', `${location}: unknown format; tables end in ${ENDINGS.join(', ')}`);
  }
  const odd = files.find((file) => endingOf(file) !== ending);
  if (odd !== undefined) {
    throw new DataError('data', `${location}: holds ${first} and ${odd}; one format is needed`);
  }
  const list = `[${files.map(literal).join(', ')}]`;
  if (TEXT.includes(ending)) return csvRelation(files, header);
  if (JSON_ENDINGS.includes(ending)) {
    const format = ending === '.json' ? 'auto' : 'newline_delimited';
    const options = `format='${format}', union_by_name=true`;
    return described(database, `read_json_auto(${list}, ${options})`, location);
  }
  const from = `read_parquet(${list}, union_by_name=true)`;
  const relation = await described(database, from, location);
  return { ...relation, indexes: await pandasIndexes(database, first) };
}

/** The files that a location names, in the order of their names. @throws DataError */
export function filesOf(location: string): string[] {
  refuseRemote(location);
  const packaged = packagedFile(location);
  if (packaged !== null) return [packaged];
  if (isPattern(location) && !existsSync(location)) return matching(location).map(requireRegular);
  if (!existsSync(location)) throw new DataError('data', `${location}: no such file or folder`);
  if (!isFolder(location)) {
    return [requireRegular(location)];
  }
  const files = tableFilesIn(location).map(requireRegular);
  if (files.length === 0) {
    throw new DataError('data', `${location}: no ${ENDINGS.join(', ')} file in it`);
  }
  return files;
}

/** The database would wait for the writer of a pipe. */
function requireRegular(file: string): string {
  if (statSync(file).isFile()) return file;
  throw new DataError('data', `${file}: not a regular file; data is read from files`);
}

function packagedFile(name: string): string | null {
  const file = PACKAGED.get(name);
  return file === undefined || existsSync(name) ? null : fileURLToPath(file);
}

async function definePackaged(database: Database, query: string): Promise<void> {
  for (const [name, file] of PACKAGED) {
    if (!new RegExp(String.raw`\b${name}\b`, 'i').test(query)) continue;
    await database.rows(`create view ${name} as select * from ${literal(fileURLToPath(file))}`);
  }
}

function matching(pattern: string): string[] {
  const folder = path.dirname(pattern);
  if (isPattern(folder)) {
    throw new DataError('data', `${pattern}: only the file's name may hold * ? [ ]`);
  }
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const escaped = path.basename(pattern).replace(/[.+^${}()|\\]/g, String.raw`\$&`);
  const expression = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  const found = names.filter((name) => expression.test(name)).toSorted();
  if (found.length === 0) throw new DataError('data', `${pattern}: no file matches`);
  return found.map((name) => path.join(folder, name));
}

function tableFilesIn(folder: string): string[] {
  const names = readdirSync(folder)
    .filter((name) => !name.startsWith('.') && !name.startsWith('_') && endingOf(name) !== null)
    .toSorted();
  if (names.length > MOST_FILES) {
    throw new DataError('data', `${folder}: ${names.length} files; at most ${MOST_FILES} are read`);
  }
  return names.map((name) => path.join(folder, name));
}

const isPattern = (location: string) => /[*?]|\[[^\]]+\]/.test(location);
const isFolder = (location: string) => existsSync(location) && statSync(location).isDirectory();

/** `.csv` of `a.csv` and of `a.csv.gz`; null where it is no table. */
function endingOf(file: string): string | null {
  const ending = path.extname(`x${path.basename(file).replace(/\.gz$/i, '')}`).toLowerCase();
  return ENDINGS.includes(ending) ? ending : null;
}

function csvRelation(files: readonly string[], header: boolean | 'auto'): Relation {
  const [first = '', ...others] = files;
  const head = readCsvHead(first, header);
  for (const file of others) {
    const other = readCsvHead(file, head.header);
    if (head.header && other.names.join('\0') === head.names.join('\0')) continue;
    if (!head.header && other.names.length === head.names.length) continue;
    const what = `its columns are ${other.names.join(', ')}, those of ${first} ${head.names.join(', ')}`;
    throw new DataError('csv', `${file}: ${what}; all files need the same`);
  }
  const { names, notes } = uniqueNames(head.names);
  const list = `[${files.map(literal).join(', ')}]`;
  const gaps = MISSING_IN_CASES.filter((text) => !text.includes(head.delimiter));
  const options = [
    `delim=${literal(head.delimiter)}`,
    `quote='"'`,
    `escape='"'`,
    `header=${head.header}`,
    `skip=${head.skip}`,
    `auto_detect=false`,
    `encoding=${literal(head.encoding)}`,
    // Comments are skipped with the lines before the header: its own option loses rows after a skip.
    `comment=''`,
    // The parser finds most gaps much faster than SQL does later.
    `nullstr=[${gaps.map(literal).join(', ')}]`,
    `allow_quoted_nulls=true`,
    `columns={${names.map((_, i) => `'c${i}': 'VARCHAR'`).join(', ')}}`,
  ];
  const columns = names.map((name, i) => `c${i} as ${identifier(name)}`);
  const unnamed = names.filter((_, i) => head.header && isUnnamed(head.names[i] ?? ''));
  return {
    sql: `(select ${columns.join(', ')} from read_csv(${list}, ${options.join(', ')}))`,
    columns: names.map((name) => ({ name, type: 'VARCHAR' })),
    indexes: new Map(
      unnamed.map((name) => [name, 'row labels without a name, as pandas and R write']),
    ),
    notes: [...head.notes, ...notes],
  };
}

/** As pandas and R name the column of row labels; it is one if it also counts the rows. */
const isUnnamed = (name: string) => /^(unnamed: ?0)?$/i.test(name);

function uniqueNames(names: readonly string[]): { names: string[]; notes: string[] } {
  const seen = new Map<string, number>();
  const notes: string[] = [];
  const unique = names.map((name, i) => {
    const own = name === '' ? `column${i}` : name;
    const times = seen.get(own.toLowerCase()) ?? 0;
    seen.set(own.toLowerCase(), times + 1);
    if (times === 0) return own;
    notes.push(`two columns are named ${own}: the later one is ${own}_${times}`);
    return `${own}_${times}`;
  });
  return { names: unique, notes };
}

/** Columns by the database's own word for their types; fixed-size lists become columns. */
async function described(database: Database, from: string, where: string): Promise<Relation> {
  const rows = await database.rows(`describe select * from ${from}`);
  const found = rows.map((row) => ({
    name: String(row['column_name']),
    type: String(row['column_type']),
  }));
  const columns: { name: string; type: string; sql: string }[] = [];
  for (const { name, type } of found) {
    const element = /^(.*)\[\d*\]$/.exec(type)?.[1];
    if (element === undefined || /[([]/.test(element)) {
      columns.push({ name, type, sql: identifier(name) });
      continue;
    }
    const width = await listWidth(database, from, { name, where });
    for (let i = 0; i < width; i++) {
      const own = `${name}[${i}]`;
      columns.push({ name: own, type: element, sql: `${identifier(name)}[${i + 1}]` });
    }
  }
  const list = columns.map(({ name, sql }) => `${sql} as ${identifier(name)}`).join(', ');
  return {
    sql: `(select ${list} from ${from})`,
    columns: columns.map(({ name, type }) => ({ name, type })),
    indexes: new Map(),
    notes: [],
  };
}

async function listWidth(
  database: Database,
  from: string,
  { name, where }: { readonly name: string; readonly where: string },
): Promise<number> {
  const column = identifier(name);
  const [row] = await database.rows(
    `select min(len(${column})) as least, max(len(${column})) as most, ` +
      `count(*) - count(${column}) as gaps from ${from}`,
  );
  const [least, most] = [Number(row?.['least'] ?? 0), Number(row?.['most'] ?? 0)];
  if (least === most && most > 0 && Number(row?.['gaps']) === 0) return most;
  throw new DataError(
    'data',
    `${where}: column ${name} holds lists of ${least} to ${most} values; all rows need the same number`,
  );
}

/** Columns that pandas wrote as the index of a data frame, by the metadata that it leaves. */
async function pandasIndexes(database: Database, file: string): Promise<Map<string, string>> {
  const rows = await database.rows(
    `select decode(value) as text from parquet_kv_metadata(${literal(file)}) ` +
      `where decode(key) = 'pandas'`,
  );
  const indexes = new Map<string, string>();
  for (const { text } of rows) {
    const columns = parsed(String(text))?.index_columns;
    for (const name of Array.isArray(columns) ? columns : []) {
      if (typeof name === 'string') indexes.set(name, "pandas' index");
    }
  }
  return indexes;
}

function parsed(text: string): { index_columns?: unknown } | null {
  try {
    return JSON.parse(text) as { index_columns?: unknown };
  } catch {
    return null;
  }
}
