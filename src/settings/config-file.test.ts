import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { ConfigError } from '../base/errors.js';
import { checkRecorded, checkResumable } from './checked-settings.js';
import { loadConfigFile } from './config-file.js';
import { resolveSettings } from './resolve.js';

const folder = mkdtempSync(path.join(tmpdir(), 'config-'));
after(() => rmSync(folder, { recursive: true }));

function load(text: string | Uint8Array, extension = 'yaml') {
  const file = path.join(folder, `config.${extension}`);
  writeFileSync(file, text);
  return loadConfigFile(file).settings;
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.replaceAll(`${folder}/`, '');
  }
  return assert.fail('nothing was thrown');
}

test('YAML and JSON give the same settings, and $schema is for editors', () => {
  const expected = { width: 512, lr: 0.001, shuffle: false, validation: 0.1, clipNorm: null };
  const yaml = '# a comment\nwidth: 512\nlr: 1e-3\nshuffle: false\nvalidation: 0.1\nclipNorm:\n';
  assert.deepEqual(load(yaml), expected);
  assert.deepEqual(load(JSON.stringify({ $schema: 'x.json', ...expected }), 'json'), expected);
  assert.deepEqual(load(''), {});
});

test('every problem of a file is reported, with its line, in their order', () => {
  const text = 'widht: 512\nlr: fast\n\nbatch: 0\nbeta2: 1\nstrategy: tensr\n';
  assert.deepEqual(messageOf(() => load(text)).split('\n'), [
    '[config.yaml:1] unknown key "widht"; did you mean width?',
    '[config.yaml:2] lr is "fast"; needs a number above 0',
    '[config.yaml:4] batch is 0; needs an integer from 1 to 16777216',
    '[config.yaml:5] beta2 is 1; needs a number of at least 0 and below 1',
    '[config.yaml:6] strategy is "tensr"; needs one of phantom, tensor, tensor-paired; did you mean tensor?',
  ]);
});

test('a list is written as a list', () => {
  assert.deepEqual(load('layerGhosts: [3, 8]'), { layerGhosts: [3, 8] });
  for (const text of ['8', '[]', '[3, 0]', '[3, 1.5]', '[3, many]']) {
    const message = messageOf(() => load(`layerGhosts: ${text}`));
    assert.match(message, /^\[config.yaml:1\] layerGhosts is .*; needs a list of integers from 1/);
  }
  checkResumable({ layerGhosts: [3, 8] }, { layerGhosts: [3, 8] });
  assert.match(
    messageOf(() => checkResumable({ layerGhosts: [3, 8] }, { layerGhosts: [8, 3] })),
    /--layer-ghosts 8,3, but the run has layerGhosts 3,8/,
  );
});

test('a flag spelling in a file is recognized', () => {
  assert.match(
    messageOf(() => load('weight-decay: 1')),
    /did you mean weightDecay\?$/,
  );
});

test('many problems are cut off with their number', () => {
  const text = Array.from({ length: 20 }, (_, i) => `zz${i}: 1`).join('\n');
  const lines = messageOf(() => load(text)).split('\n');
  assert.equal(lines.length, 9);
  assert.match(lines.at(-1) ?? '', /and 12 more$/);
});

test('broken and hostile files are refused in a line', () => {
  const bomb = `a: &a [1,1,1,1,1,1,1,1,1]\n${Array.from({ length: 8 }, (_, i) => {
    const previous = String.fromCharCode(97 + i);
    return `${String.fromCharCode(98 + i)}: &${String.fromCharCode(98 + i)} [${`*${previous},`.repeat(9)}]`;
  }).join('\n')}`;
  const cases: [string | Uint8Array, string, RegExp][] = [
    ['width: [1', 'yaml', /^\[config\.yaml:1\] /],
    ['width: 1\nwidth: 2', 'yaml', /^\[config\.yaml:2\] Map keys must be unique$/],
    ['- width', 'yaml', /^\[config\.yaml\] holds a list; needs keys and values/],
    ['hello', 'yaml', /holds the string hello/],
    ['width: !!js/function x', 'yaml', /^\[config\.yaml:1\] Unresolved tag/],
    ['width: 1\n---\nwidth: 2', 'yaml', /more than one document/],
    [bomb, 'yaml', /alias/i],
    ['['.repeat(30_000), 'yaml', /more than 32 brackets deep/],
    ['? '.repeat(30_000), 'yaml', /indented too far/],
    [`width:\n${' '.repeat(30_000)}a: 1`, 'yaml', /indented too far/],
    ['{"width": 1,}', 'json', /^\[config\.json.*\] not JSON/],
    ['width: 1', 'json', /not JSON/],
    ['{"width": 1, "width": 2}', 'json', /Map keys must be unique/],
    ['{"__proto__": {"width": 3}}', 'json', /unknown key "__proto__"/],
    [Uint8Array.of(0xff, 0xfe, 0x00), 'yaml', /not UTF-8/],
    ['#'.repeat(70_000), 'yaml', /a config has at most 65536 bytes/],
    ['width: 1e400', 'yaml', /width is Infinity/],
    ['width: .nan', 'yaml', /width is NaN/],
    ['steps: 9007199254740993', 'yaml', /steps is 9007199254740992; needs/],
  ];
  for (const [text, extension, expected] of cases) {
    const message = messageOf(() => load(text, extension));
    assert.match(message, expected);
    assert.ok(message.length < 250, `${message.length} characters`);
  }
  assert.match(
    messageOf(() => loadConfigFile('/nowhere/x.yaml')),
    /no such config file/,
  );
  assert.match(
    messageOf(() => loadConfigFile(folder)),
    /not a regular file/,
  );
});

test('recorded settings are complete, and a resumed run keeps its network', () => {
  const settings = resolveSettings([]);
  const recorded = checkRecorded('config.json', { ...settings }).settings;
  assert.deepEqual(recorded, settings);
  const { lr: _, ...incomplete } = settings;
  assert.match(
    messageOf(() => checkRecorded('config.json', incomplete)),
    /lr missing/,
  );
  assert.match(
    messageOf(() => checkRecorded('config.json', 'x')),
    /not a table of keys/,
  );
  assert.match(
    messageOf(() => checkResumable(recorded, { width: 8 })),
    /--width 8, but the run has width 1024/,
  );
  checkResumable(recorded, { width: 1024, lr: 1, steps: 3, ranks: 1, recompute: 1 });
});

test('~ in a path is the home folder, and a share of rows may be written as a percentage', () => {
  const read = load('data: ~/a.csv\nout: ~\nvalidation: 20%\nloss: mse\n');
  assert.equal(read.data, path.join(os.homedir(), 'a.csv'));
  assert.equal(read.validation, 0.2);
  assert.equal(load('validation: ~/b.csv\n').validation, path.join(os.homedir(), 'b.csv'));
  assert.equal(load('validation: 0\n').validation, 0);
  assert.equal(load('data: a~/b\n').data, 'a~/b');
});
