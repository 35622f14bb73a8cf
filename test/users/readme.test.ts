import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/files.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const README = readFileSync(path.join(ROOT, 'README.md'), 'utf8');

/** A folder where `npx phantom` and the package's name mean this checkout. */
function userFolder(context: TestContext): string {
  const folder = temporaryFolder(context);
  const bin = path.join(folder, 'node_modules', '.bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(ROOT, path.join(folder, 'node_modules', 'phantom-parallel'));
  symlinkSync(path.join(ROOT, 'dist', 'cli', 'main.js'), path.join(bin, 'phantom'));
  symlinkSync(path.join(ROOT, 'examples'), path.join(folder, 'examples'));
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  return folder;
}

/** Starts a server, asks it with the README's client, and ends it. */
async function checkServing(command: string, cwd: string): Promise<void> {
  const [name] = /runs\/(\S+)/.exec(command)?.slice(1) ?? [];
  const port = '18732';
  const written = command.replace(/\s*#.*$/, '');
  const server = spawn('bash', ['-c', `${written} --port ${port}`], {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'exit');
  try {
    for await (const chunk of server.stdout) if (String(chunk).includes('"listening"')) break;
    const url = `http://127.0.0.1:${port}`;
    const client = spawnSync(process.execPath, ['examples/client.js', url, name], {
      cwd,
      encoding: 'utf8',
    });
    assert.equal(client.stderr, '');
    assert.match(client.stdout, /first question \[ 2, 10 \][^]*the same as bytes/);
  } finally {
    process.kill(-(server.pid ?? 0), 'SIGTERM');
    await ended;
  }
}

describe('the README', () => {
  it('has commands that run as written, in its order', async (context) => {
    const commands = README.split('\n')
      .filter((line) => line.startsWith('    npx phantom '))
      .map((line) => line.trim());
    assert.ok(commands.length >= 4, 'no commands found');
    const cwd = userFolder(context);
    for (const command of commands) {
      if (command.startsWith('npx phantom serve ')) {
        await checkServing(command, cwd);
        continue;
      }
      const run = spawnSync('bash', ['-c', command], { cwd, encoding: 'utf8' });
      assert.equal(run.status, 0, `${command}\n${run.stderr}`);
      assert.notEqual(run.stdout, '', command);
    }
  });

  it('has a script that runs as written', (context) => {
    const script = /```js\n([^]*?)```/.exec(README)?.[1];
    assert.ok(script);
    const cwd = userFolder(context);
    writeFileSync(path.join(cwd, 'script.js'), script);
    const run = spawnSync(process.execPath, ['script.js'], { cwd, encoding: 'utf8' });
    assert.equal(run.stderr, '');
    assert.match(run.stdout, /^0\.\d+ runs\//);
  });

  it('names the scripts and files that there are', () => {
    const scripts = (
      JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
        scripts: Record<string, string>;
      }
    ).scripts;
    for (const name of ['start', 'test', 'bench', 'build', 'prepare']) assert.ok(scripts[name]);
    const files = README.matchAll(/`((?:examples|bench|datasets|schemas)\/[\w./-]+)`/g);
    for (const [, file] of files) assert.ok(existsSync(path.join(ROOT, file)), file);
  });
});
