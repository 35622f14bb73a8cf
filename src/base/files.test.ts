import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { newPartial, replaceFile } from './files.js';

test('what a killed writer left goes a day later, by the next writer of the same target', (context) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-test-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'model.json');
  const left = newPartial(file);
  const leftFolder = newPartial(file);
  const written = newPartial(file);
  const others = newPartial(path.join(folder, 'other.json'));
  const kept = [written, others, path.join(folder, '.model.json.mine.partial')];
  mkdirSync(leftFolder);
  for (const each of [left, path.join(leftFolder, 'part'), ...kept]) writeFileSync(each, 'x');
  const before = new Date(Date.now() - 25 * 3600 * 1000);
  for (const each of [left, leftFolder, others, kept[2] ?? '']) utimesSync(each, before, before);
  replaceFile(file, 'whole');
  assert.ok(!existsSync(left));
  assert.ok(!existsSync(leftFolder));
  for (const each of kept) assert.ok(existsSync(each), each);
  assert.equal(readdirSync(folder).length, kept.length + 1);
});
