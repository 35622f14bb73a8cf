// Runs the test files, or those whose path contains one of the given words:
// `npm test -- golden threads`. Slow ones (`*.slow.test.ts`) run with `--all` or when a word is part
// of their file name. `--except=word,…` leaves files out. `--again=3` runs files with a failure a second
// time if there are no more than three, one after the other, and says FLAKY of what passes then. Other
// options (`--test-name-pattern=…`) go to node's test runner.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const isOption = (argument) => argument.startsWith('--');
const all = process.argv.includes('--all');
const own = ['--except=', '--again='];
const valueOf = (name) =>
  process.argv.find((each) => each.startsWith(name))?.slice(name.length) ?? '';
const exceptWords = valueOf('--except=').split(',').filter(Boolean);
const again = Number(valueOf('--again='));
const options = process.argv
  .slice(2)
  .filter((each) => isOption(each) && each !== '--all')
  .filter((each) => !own.some((name) => each.startsWith(name)));
const words = process.argv.slice(2).filter((each) => !isOption(each));

const wanted = (file) => words.length === 0 || words.some((word) => file.includes(word));
// What is left of a file that has moved is not run.
const hasSource = (file) =>
  existsSync(
    file
      .replace(/^dist/, 'src')
      .replace(/^build./, '')
      .replace(/js$/, 'ts'),
  );
const quick = (file) => !file.endsWith('.slow.test.js');
const named = (file) => words.some((word) => path.basename(file).includes(word));

const files = ['dist', 'build/test']
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((name) => path.join(folder, name)),
  )
  .filter((file) => file.endsWith('.test.js') && wanted(file) && hasSource(file))
  .filter((file) => all || quick(file) || named(file))
  .filter((file) => !exceptWords.some((word) => file.includes(word)))
  .toSorted();
if (files.length === 0) {
  console.error(`no test file matches ${words.join(', ')}; build first with npm run build`);
  process.exit(2);
}

// Properties are tried with the same values each time; with --all with new ones.
const seed = process.env['PHANTOM_TEST_SEED'] ?? (all ? Date.now() % 2 ** 31 : 1);
if (all) console.log(`properties: PHANTOM_TEST_SEED=${seed}`);
const folder = mkdtempSync(path.join(tmpdir(), 'phantom-tests-'));
const list = path.join(folder, 'failed');

/** Unit tests of a room of `src/` share a process, which would load much the same for each of them. */
function programs() {
  const rooms = new Map();
  for (const file of files.filter((each) => each.startsWith('dist'))) {
    const room = file.split(path.sep)[1];
    rooms.set(room, [...(rooms.get(room) ?? []), file]);
  }
  const together = [...rooms].map(([room, members]) => {
    if (members.length === 1) return members[0];
    const program = path.join(folder, `${room}.test.mjs`);
    const imports = members.map((file) => `import '${pathToFileURL(path.resolve(file))}';\n`);
    writeFileSync(program, imports.join(''));
    return program;
  });
  return [...together, ...files.filter((each) => !each.startsWith('dist'))];
}

const run = (these, ...more) =>
  spawnSync(
    process.execPath,
    [
      ...['--import', './scripts/test-setup.js', '--test'],
      `--test-concurrency=${availableParallelism()}`,
      '--test-reporter=./scripts/test-reporter.js',
      '--test-reporter-destination=stdout',
      ...[...options, ...more, ...these],
    ],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        PHANTOM_TEST_SEED: `${seed}`,
        PHANTOM_TEST_ALL: all ? '1' : '0',
        PHANTOM_TEST_FAILED: list,
      },
    },
  ).status ?? 1;

let status = run(programs());
const failed = existsSync(list) ? readFileSync(list, 'utf8').split('\n').filter(Boolean) : [];
if (status !== 0 && failed.length > 0 && failed.length <= again) {
  console.log(`== once more: ${failed.join(', ')}`);
  status = run(failed, '--test-concurrency=1');
  if (status === 0) console.log(`FLAKY: failed, then passed; mend it: ${failed.join(', ')}`);
}
rmSync(folder, { recursive: true });
process.exit(status);
