import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../support/files.js';
import { type Page, ROOT } from './pages.js';

/** Four features, and a class that depends on them. */
function table(rows: number): string {
  const lines = Array.from({ length: rows }, (_, row) => {
    const x = [0, 1, 2, 3].map((i) => Math.sin(row * (i + 1.7) + i));
    const label = (x[0] ?? 0) + (x[1] ?? 0) > 0 ? 1 : 0;
    return [...x.map((value) => value.toFixed(4)), label].join(',');
  });
  return `a,b,c,d,label\n${lines.join('\n')}\n`;
}

/** Prices with a gap, an id and a text. */
function houses(rows: number): string {
  const lines = Array.from({ length: rows }, (_, row) => {
    const [sqft, kind] = [40 + ((row * 37) % 200), ['flat', 'house', 'villa'][row % 3]];
    const age = row % 9 === 0 ? '' : (row * 13) % 90;
    return [sqft, 1 + (row % 5), kind, age, 3000 * sqft + 50_000 * (row % 3)].join(',');
  });
  return `sqft,rooms,kind,age,price\n${lines.join('\n')}\n`;
}

/** A user's project: the package is installed in it; `table.csv` and `houses.csv` are its data. */
export class UserFolder {
  readonly #path: string;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(context: Pick<TestContext, 'after'>) {
    this.#path = temporaryFolder(context);
    const bin = path.join(this.#path, 'node_modules', '.bin');
    mkdirSync(bin, { recursive: true });
    symlinkSync(ROOT, path.join(this.#path, 'node_modules', 'phantom-parallel'));
    for (const name of ['phantom', 'phantom-parallel']) {
      symlinkSync(path.join(ROOT, 'dist', 'cli', 'main.js'), path.join(bin, name));
    }
    symlinkSync(path.join(ROOT, 'examples'), path.join(this.#path, 'examples'));
    writeFileSync(path.join(this.#path, 'package.json'), '{ "type": "module" }');
    writeFileSync(path.join(this.#path, 'table.csv'), table(200));
    writeFileSync(path.join(this.#path, 'houses.csv'), houses(200));
    // What npx comes to here.
    const shim = path.join(this.#path, 'bin', 'npx');
    mkdirSync(path.dirname(shim));
    writeFileSync(shim, `#!/bin/sh\ncommand=$1; shift\nexec "${bin}/$command" "$@"\n`);
    chmodSync(shim, 0o755);
    this.#environment = {
      ...process.env,
      PATH: `${path.dirname(shim)}${path.delimiter}${process.env['PATH']}`,
    };
  }

  /**
   * Runs the commands and scripts of a page in its order, and ends what they left running.
   *
   * @param npx whether the first `npx` is npm's own, which takes half a second longer to start
   * @param mark the blocks to run: those without a mark, or those that have this one
   */
  async follow(
    page: Page,
    { npx = false, mark = null }: { npx?: boolean; mark?: string | null } = {},
  ) {
    let env = npx ? process.env : this.#environment;
    let server: { readonly child: ChildProcess; readonly address: string } | null = null;
    try {
      for (const block of page.blocks) {
        const text = block.text.replaceAll('127.0.0.1:8000', server?.address ?? '');
        if (block.language === 'js' && mark === null && block.mark === null)
          this.#script(page, text);
        if (block.language !== 'sh') continue;
        if (block.mark === mark) {
          this.#run(page, text, env);
          env = this.#environment;
        }
        if (block.mark === 'background' && mark === null) {
          assert.equal(server, null, `${page.name} starts a second server`);
          server = await this.#serve(text, env);
        }
      }
    } finally {
      if (server !== null) {
        const ended = once(server.child, 'exit');
        process.kill(-(server.child.pid ?? 0), 'SIGTERM');
        await ended;
      }
    }
  }

  #run({ name }: Page, text: string, env: NodeJS.ProcessEnv): void {
    const options = { cwd: this.#path, env, encoding: 'utf8' } as const;
    const run = spawnSync('bash', ['-euo', 'pipefail', '-c', text], options);
    assert.equal(run.status, 0, `${name}: ${text}\n${run.stdout}\n${run.stderr}`);
  }

  #script({ name }: Page, text: string): void {
    const file = path.join(this.#path, 'script.js');
    writeFileSync(file, text);
    const run = spawnSync(process.execPath, [file], { cwd: this.#path, encoding: 'utf8' });
    assert.equal(run.stderr, '', `${name}: ${text}`);
    assert.notEqual(run.stdout, '', `${name}: ${text}`);
  }

  /** Starts a server on a port that is free, and waits until it listens. */
  async #serve(text: string, env: NodeJS.ProcessEnv) {
    const child = spawn('bash', ['-c', `exec ${text.trim()} --port 0`], {
      cwd: this.#path,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const listening = /(127\.0\.0\.1:\d+)[^\n]*"listening"/;
    const address = await new Promise<string>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`the server ended: ${text}`)));
      child.stdout.on('data', (chunk) => {
        const [, found] = listening.exec(String(chunk)) ?? [];
        if (found !== undefined) resolve(found);
      });
    });
    return { child, address };
  }
}
