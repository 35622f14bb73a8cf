import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DataError } from '#src/base/errors.js';
import { openDataset } from '#src/data/sources.js';

const CASES = fileURLToPath(new URL('../../../test/cases/arrays/', import.meta.url));
const EXPECTED = path.join(CASES, 'expected.json');

/** What a run would see of arrays: sizes, classes and the first answers; or why it is refused. */
async function seen(name: string): Promise<string> {
  const short = (text: string) => text.replaceAll(CASES, '');
  try {
    const { training, validation, table } = await openDataset(path.join(CASES, name));
    assert.ok(training.kind === 'table');
    const { answers, rows, features, x } = training;
    const first =
      answers.kind === 'labels'
        ? `${answers.classes} classes [${(answers.names ?? []).join()}] ${answers.labels.slice(0, 4).join()}`
        : `${answers.width} numbers ${answers.values.slice(0, 2).join()}`;
    const target = table?.schema.targets[0];
    const named = target?.kind === 'class' ? `, named ${target.classes.join()}` : '';
    return `${rows} × ${features} (${x.slice(0, 2).join()}), ${validation?.rows ?? 0} held back; ${first}${named}`;
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    const message = short(error.message);
    assert.ok(!message.includes('\n') && message.length < 300, message);
    return message;
  }
}

const NAMES = ['npy', 'emnist', 'safetensors'].flatMap((kind) => {
  const inside = readdirSync(path.join(CASES, kind)).toSorted();
  if (kind === 'emnist') return [kind];
  return inside.flatMap((name) =>
    name === 'npz' ? ['npy/npz/data.npz', 'npy/npz/datac.npz'] : [`${kind}/${name}`],
  );
});

describe('arrays that people bring are read as they are meant, or refused in a line', () => {
  const expected = JSON.parse(readFileSync(EXPECTED, 'utf8')) as Record<string, unknown>;
  const update: Record<string, unknown> = {};
  for (const name of NAMES) {
    it(name, async () => {
      update[name] = await seen(name);
      if (process.env['UPDATE_GOLDEN'] !== '1') assert.equal(update[name], expected[name]);
    });
  }
  it('every case has an expectation, and no other', () => {
    if (process.env['UPDATE_GOLDEN'] === '1') {
      writeFileSync(EXPECTED, `${JSON.stringify(update, null, 1)}\n`);
    } else assert.deepEqual(Object.keys(expected), NAMES);
  });
});
