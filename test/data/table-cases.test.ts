import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DataError } from '#src/base/errors.js';
import { readTable } from '#src/data/tables/read-table.js';
import { featureNames, summarize } from '#src/data/tables/schema.js';

const CASES = fileURLToPath(new URL('../../../test/cases/', import.meta.url));
const EXPECTED = fileURLToPath(new URL('../../../test/cases/expected.json', import.meta.url));

/** What people read of a table, its rows and its first record; or why it is refused. */
async function seen(file: string): Promise<Record<string, unknown>> {
  const short = (text: string) => text.replaceAll(CASES, '');
  try {
    const { parts, schema, notes, warnings } = await readTable(path.join(CASES, file), {});
    const { training } = parts;
    assert.equal(training.kind, 'records');
    const records = training.kind === 'records' ? (training.source as Float32Array) : [];
    return {
      summary: summarize(schema),
      features: featureNames(schema).join(' | '),
      answers: training.answers,
      rows: training.rows,
      first: [...records.slice(0, training.kind === 'records' ? training.record : 0)],
      notes: notes.map(short),
      warnings,
    };
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    const message = short(error.message);
    assert.ok(!message.includes('\n') && message.length < 300, message);
    return { refused: message };
  }
}

const FILES = (readdirSync(CASES, { recursive: true }) as string[])
  .filter((name) => /\.(csv|tsv|parquet|gz)$/.test(name))
  .toSorted();

describe('tables that people bring are read as they are meant, or refused in a line', async () => {
  const expected = JSON.parse(readFileSync(EXPECTED, 'utf8')) as Record<string, unknown>;
  const update: Record<string, unknown> = {};
  for (const file of FILES) {
    it(file, async () => {
      const found = await seen(file);
      update[file] = found;
      if (process.env['UPDATE_GOLDEN'] !== '1') assert.deepEqual(found, expected[file]);
    });
  }
  it('every case has an expectation, and no other', () => {
    if (process.env['UPDATE_GOLDEN'] === '1') {
      writeFileSync(EXPECTED, `${JSON.stringify(update, null, 1)}\n`);
    } else assert.deepEqual(Object.keys(expected), FILES);
  });
});
