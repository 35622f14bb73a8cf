import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { trainingJsonSchema } from './json-schema.js';
import { SETTING_KEYS } from './keys.js';
import { loadConfigFile } from './config-file.js';
import { resolveSettings } from './resolve.js';

const root = new URL('../../', import.meta.url);

test('the schema and the type of all settings are what the table says', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['scripts/generate.js', '--check', 'schemas', 'src'],
    {
      cwd: fileURLToPath(root),
      encoding: 'utf8',
    },
  );
  assert.equal(status, 0, stderr);
});

test('every key has a description and the schema knows no other', () => {
  const { properties, additionalProperties } = trainingJsonSchema() as {
    properties: Record<string, { description?: string }>;
    additionalProperties: boolean;
  };
  assert.deepEqual(Object.keys(properties), ['$schema', ...SETTING_KEYS]);
  assert.equal(additionalProperties, false);
  for (const [key, { description }] of Object.entries(properties)) assert.ok(description, key);
});

test('the example configs are valid and name the schema', () => {
  const folder = new URL('examples/', root);
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  assert.ok(names.length >= 3);
  for (const name of names) {
    const file = fileURLToPath(new URL(name, folder));
    resolveSettings([loadConfigFile(file)]);
    assert.match(readFileSync(file, 'utf8'), /^# yaml-language-server: \$schema=\.\.\/schemas\//);
  }
});
