import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { RunWatcher } from '#src/app/watch/run-watcher.js';
import { startWatch } from '#src/app/watch/watch-server.js';
import type { PageUpdate } from '#src/report/page-data.js';
import { temporaryFolder } from '../support/files.js';
import { writeRunFolder } from '../support/run-folder.js';

const runsIn = (updates: readonly PageUpdate[]) =>
  updates.flatMap((update) => (update.type === 'run' ? [update.run] : []));
const notesIn = (updates: readonly PageUpdate[]) =>
  updates.flatMap((update) => (update.type === 'notes' ? update.notes : []));

/** A folder whose run has written so many lines, and the others to come. */
function beginning(folder: string, count: number) {
  writeRunFolder(folder);
  const file = path.join(folder, 'metrics.jsonl');
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  writeFileSync(file, `${lines.slice(0, count).join('\n')}\n`);
  return { file, rest: lines.slice(count) };
}

describe('a watcher of runs', () => {
  it('reads what is added, whole lines alone, and says nothing where nothing is new', (context) => {
    const root = temporaryFolder(context);
    const watcher = new RunWatcher([path.join(root, 'runs')]);
    assert.match(notesIn(watcher.look()).join(), /runs cannot be read yet/);
    const { file, rest } = beginning(path.join(root, 'runs/compared/runs/one'), 3);
    const [run] = runsIn(watcher.look());
    assert.deepEqual([run?.name, run?.figures.step, run?.state], ['one', 20, 'running']);
    assert.deepEqual(run?.notes, []);
    assert.deepEqual(watcher.look(), []);

    const [next = '', ...others] = rest;
    appendFileSync(file, next.slice(0, 10));
    assert.deepEqual(watcher.look(), []);
    appendFileSync(file, `${next.slice(10)}\n`);
    assert.equal(runsIn(watcher.look())[0]?.validations['step']?.[0], 20);
    appendFileSync(file, `${others.join('\n')}\n`);
    const [ended] = runsIn(watcher.look());
    assert.deepEqual([ended?.figures.step, ended?.state], [100, 'finished']);
    assert.equal(runsIn(watcher.all).length, 1);
  });

  it('starts over where a run goes on from a checkpoint; a run that is removed is gone', (context) => {
    const root = temporaryFolder(context);
    const { file, rest } = beginning(path.join(root, 'one'), 6);
    const watcher = new RunWatcher([root]);
    assert.equal(runsIn(watcher.look())[0]?.figures.step, 40);
    rmSync(file);
    beginning(path.join(root, 'one'), 2);
    assert.equal(runsIn(watcher.look())[0]?.figures.step, 10);
    assert.ok(rest.length > 0);
    rmSync(path.join(root, 'one'), { recursive: true });
    assert.deepEqual(watcher.look(), [
      { type: 'notes', notes: [`skipped: no config.json of a run in ${root}`] },
      { type: 'gone', folder: path.join(root, 'one') },
    ]);
  });

  it('tells a process that is gone from one that goes on', (context) => {
    const root = temporaryFolder(context);
    const { file } = beginning(path.join(root, 'one'), 3);
    const watcher = new RunWatcher([root]);
    const text = readFileSync(file, 'utf8');
    const stateWith = (pid: number) => {
      const here = `"host":${JSON.stringify(os.hostname())},"pid":${pid}`;
      rmSync(file);
      writeFileSync(file, text.replace(/"host":"[^"]*","pid":\d+/, here));
      return runsIn(watcher.look())[0]?.state;
    };
    assert.equal(stateWith(process.pid), 'running');
    assert.equal(stateWith(2 ** 30), 'dead');
  });

  it('names what it skips: foreign and damaged folders, lines that are none', (context) => {
    const root = temporaryFolder(context);
    mkdirSync(path.join(root, 'foreign'));
    writeFileSync(path.join(root, 'foreign/config.json'), '{"a":1}');
    mkdirSync(path.join(root, 'broken'));
    writeFileSync(path.join(root, 'broken/config.json'), '{');
    mkdirSync(path.join(root, 'unstarted'));
    const description = path.join(writeRunFolder(path.join(root, 'model')), 'config.json');
    renameSync(description, path.join(root, 'unstarted/config.json'));
    const { file } = beginning(path.join(root, 'odd/run'), 3);
    appendFileSync(file, 'no event\n');
    const updates = new RunWatcher([root]).look();
    const notes = notesIn(updates).join('\n');
    assert.match(notes, /skipped: .*foreign.*not the description of a run/);
    assert.match(notes, /skipped: .*broken/);
    assert.match(notes, /unstarted has no metrics.jsonl yet/);
    assert.match(notes, /skipped: no config.json of a run in [^,\n]*model$/m);
    assert.match(runsIn(updates)[0]?.notes.join() ?? '', /line 4 is not JSON; skipped/);
  });
});

describe('a folder without a run', () => {
  it('is named by the watcher, as long as there is none in it', (context) => {
    const root = temporaryFolder(context);
    const names = ['a', 'b', 'c', 'd', 'e', '.hidden'];
    for (const name of names) mkdirSync(path.join(root, name, 'inside'), { recursive: true });
    writeFileSync(path.join(root, 'a/notes.txt'), 'no run');
    const watcher = new RunWatcher([root]);
    const skipped = 'skipped: no config.json of a run in ';
    assert.deepEqual(notesIn(watcher.look()), [skipped + root]);
    assert.deepEqual(watcher.look(), []);
    writeRunFolder(path.join(root, 'b/inside'));
    const [a, c, d] = ['a', 'c', 'd'].map((name) => path.join(root, name));
    assert.deepEqual(notesIn(watcher.look()), [
      `${skipped}${a}, ${c}, ${d}, ${path.join(root, 'e')}`,
    ]);
    mkdirSync(path.join(root, 'f'));
    assert.deepEqual(notesIn(watcher.look()), [`${skipped}${a}, ${c}, ${d}, 2 more`]);
    assert.equal(runsIn(watcher.all).length, 1);
  });
});

describe('the server of the live page', () => {
  const ask = (url: string, headers: Record<string, string> = {}, method = 'GET') =>
    new Promise<{ status: number; text: string; headers: http.IncomingHttpHeaders }>((resolve) => {
      const request = http.request(url, { headers, method }, (response) => {
        let text = '';
        const { statusCode: status = 0, headers: got } = response;
        response.on('data', (part: Buffer) => {
          text += part.toString();
          if (text.includes('"type":"run"')) request.destroy();
        });
        response.on('close', () => resolve({ status, text, headers: got }));
      });
      request.on('error', () => {});
      request.end();
    });

  it('sends runs to whoever may ask, and nothing to others', async (context) => {
    const root = temporaryFolder(context);
    const options = { folders: [root], host: '127.0.0.1', port: 0, hosts: [], everyMs: 20 };
    const watch = await startWatch({ ...options, token: 'secret' });
    context.after(() => watch.close());
    const page = await ask(watch.url);
    assert.equal(page.status, 200);
    assert.match(page.text, /"live":true/);
    assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
    assert.equal((await ask(`${watch.url}/events`)).status, 401);
    assert.equal((await ask(watch.url, { Host: 'evil.example' })).status, 403);
    assert.equal((await ask(watch.url, { Origin: 'http://evil.example' })).status, 403);
    assert.equal((await ask(watch.url, {}, 'POST')).status, 404);
    assert.equal((await ask(`${watch.url}/../etc/passwd`)).status, 404);

    const bearer = { Authorization: 'Bearer secret' };
    const later = ask(`${watch.url}/events`, bearer);
    beginning(path.join(root, 'one'), 3);
    const { text } = await later;
    const events = text.split('\n\n').filter((event) => event.startsWith('data: '));
    const updates = events.map((event) => JSON.parse(event.slice(6)) as PageUpdate);
    assert.equal(runsIn(updates)[0]?.figures.step, 20);
  });
});
