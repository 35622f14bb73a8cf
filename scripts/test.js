// Runs every test file, or those whose path contains one of the given words:
// `npm test -- golden threads`. Options (`--test-name-pattern=…`) go to node's test runner.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const words = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));

const files = ['dist', 'build/test']
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((name) => path.join(folder, name)),
  )
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .toSorted();
if (files.length === 0) {
  console.error(`no test file matches ${words.join(', ')}; build first with npm run build`);
  process.exit(2);
}
const result = spawnSync(process.execPath, ['--test', ...options, ...files], { stdio: 'inherit' });
process.exit(result.status ?? 1);
