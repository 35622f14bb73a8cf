import { existsSync } from 'node:fs';
import path from 'node:path';
import { DataError } from '../../base/errors.js';
import { readText } from '../open-file.js';
import { parseSchema, type TableSchema } from './schema.js';

/** In run folders, checkpoints and model folders. */
export const SCHEMA_FILE = 'schema.json';

/** The text of a schema file. */
export function formatSchema(schema: TableSchema): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** The schema in a folder; null where it has none. @throws DataError when it is damaged */
export function readSchema(folder: string): TableSchema | null {
  const file = path.join(folder, SCHEMA_FILE);
  if (!existsSync(file)) return null;
  let value: unknown;
  try {
    value = JSON.parse(readText('schema', file));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError('schema', `${file}: not JSON; the file is damaged`, { cause });
  }
  return parseSchema(file, value);
}
