import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DOORS } from '../support/doors.js';
import { temporaryFolder } from '../support/files.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TYPESCRIPT = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');

const cleanup: (() => void)[] = [];
let folder: string;
/** Why dependencies are links; empty: npm installed them. */
let notInstalled = '';

function run(command: string, args: readonly string[], cwd = folder) {
  return spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 300_000 });
}

/** Where no registry answers and npm's cache lacks a package, dependencies are those of this
 * checkout. */
function installByLinks(tarball: string): void {
  const modules = path.join(folder, 'node_modules');
  const own = path.join(modules, 'phantom-parallel');
  mkdirSync(path.join(modules, '.bin'), { recursive: true });
  mkdirSync(own);
  const unpacked = run('tar', ['-xzf', tarball, '--strip-components=1', '-C', own]);
  assert.equal(unpacked.status, 0, unpacked.stderr);
  for (const name of readdirSync(path.join(ROOT, 'node_modules'))) {
    if (name.startsWith('.')) continue;
    symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name));
  }
  symlinkSync(
    '../phantom-parallel/dist/cli/main.js',
    path.join(modules, '.bin', 'phantom-parallel'),
  );
}

describe('the package, installed from its tarball into an empty folder', () => {
  before(() => {
    folder = temporaryFolder({ after: (work: () => void) => cleanup.push(work) });
    const packed = run(
      'npm',
      ['pack', '--ignore-scripts', '--json', '--pack-destination', folder],
      ROOT,
    );
    assert.equal(packed.status, 0, packed.stderr);
    const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    const tarball = path.join(folder, filename);
    const installed = run('npm', [
      'install',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      tarball,
    ]);
    if (installed.status === 0) {
      assert.doesNotMatch(installed.stdout + installed.stderr, /warn/i);
    } else {
      notInstalled = installed.stderr;
      installByLinks(tarball);
    }
    cpSync(
      path.join(folder, 'node_modules/phantom-parallel/examples'),
      path.join(folder, 'examples'),
      {
        recursive: true,
      },
    );
  });
  after(() => {
    for (const work of cleanup) work();
  });

  it('runs no script when it is installed, and holds what people read, but no tests', (context) => {
    if (notInstalled !== '') context.diagnostic(`dependencies are linked: ${notInstalled}`);
    const own = path.join(folder, 'node_modules', 'phantom-parallel');
    const { scripts, ...about } = JSON.parse(
      readFileSync(path.join(own, 'package.json'), 'utf8'),
    ) as Record<string, unknown> & { scripts: Record<string, string> };
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
      assert.equal(scripts[name], undefined, name);
    }
    for (const key of ['license', 'homepage', 'keywords', 'engines']) assert.ok(about[key], key);
    const files = (readdirSync(own, { recursive: true }) as string[]).filter(
      (file) => !file.startsWith('node_modules'),
    );
    for (const file of [
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'examples',
      'schemas',
      'machines',
    ]) {
      assert.ok(files.includes(file), file);
    }
    assert.ok(files.some((file) => /^docs\/\w+.*\.md$/.test(file)));
    assert.deepEqual(
      files.filter((file) => file.includes('.test.')),
      [],
    );
  });

  it('has types that compile under strict, libraries included', () => {
    const imports = DOORS.map((door, i) => `import * as door${i} from '${door}';`);
    const names = DOORS.map((_, i) => `door${i}`).join(', ');
    writeFileSync(
      path.join(folder, 'consumer.ts'),
      `${imports.join('\n')}\nexport const doors: readonly object[] = [${names}];\n`,
    );
    const compilerOptions = {
      ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
      ...{ skipLibCheck: false, noEmit: true, target: 'es2023', module: 'nodenext' },
      ...{ types: ['node'], typeRoots: [path.join(ROOT, 'node_modules', '@types')] },
    };
    writeFileSync(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
    );
    const { stdout, status } = run(process.execPath, [TYPESCRIPT]);
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  const examples = readdirSync(path.join(ROOT, 'examples'));
  for (const name of examples.filter((file) => file.endsWith('.js') && file !== 'client.js')) {
    it(`runs examples/${name}`, () => {
      const { status, stderr } = run(process.execPath, [`examples/${name}`]);
      assert.equal(stderr, '');
      assert.equal(status, 0);
    });
  }

  for (const name of examples.filter((file) => file.endsWith('.yaml'))) {
    it(`runs npx phantom-parallel train examples/${name}`, () => {
      const args = [
        'phantom-parallel',
        'train',
        `examples/${name}`,
        '--steps',
        '2',
        '--warmup',
        '1',
      ];
      const { status, stderr } = run('npx', [...args, '--out', `runs/${name}`]);
      assert.equal(stderr, '');
      assert.equal(status, 0);
    });
  }

  it('serves what examples/client.js asks', async () => {
    const main = 'node_modules/phantom-parallel/dist/cli/main.js';
    const args = [main, 'serve', 'first=runs/fashion-phantom.yaml', '--port', '0'];
    const server = spawn(process.execPath, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(server, 'exit');
    try {
      let url = '';
      for await (const line of createInterface(server.stdout)) {
        url = (JSON.parse(line) as { url?: string }).url ?? '';
        if (url !== '') break;
      }
      const { stdout, stderr } = run(process.execPath, ['examples/client.js', url, 'first']);
      assert.equal(stderr, '');
      assert.match(stdout, /first question \[ 2, 10 \][^]*the same as bytes/);
    } finally {
      server.kill('SIGTERM');
      await ended;
    }
  });
});
