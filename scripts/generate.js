// Writes the files that are made from the code: from the table of settings (src/settings/keys.ts),
// from the commands' help, and pictures. With --check it writes nothing and fails where one is not
// what it would write; `--check docs` looks at those below docs/ alone.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const check = process.argv.includes('--check');
if (!check) {
  // A changed table may contradict the type that is about to be written: the code is compiled
  // whether its types fit or not.
  spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
}

const { trainingJsonSchema } = await import('../dist/settings/json-schema.js');
const { settingsSource } = await import('./settings-source.js');
const { commandsPage, settingsPage } = await import('./docs-pages.js');
const { pictures } = await import('./pictures.js');

/** Contents by file. */
const files = {
  'schemas/training.schema.json': `${JSON.stringify(trainingJsonSchema(), null, 2)}\n`,
  'src/settings/settings.ts': settingsSource(),
  'docs/settings.md': settingsPage(),
  'docs/commands.md': await commandsPage(),
  ...pictures('docs/pictures'),
};

const present = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : null);
const folders = process.argv.slice(2).filter((argument) => argument !== '--check');
const wanted = (file) => folders.length === 0 || folders.some((folder) => file.startsWith(folder));
const stale = Object.entries(files).filter(
  ([file, text]) => wanted(file) && present(file) !== text,
);
for (const [file, text] of stale) {
  if (check) console.error(`${file} is not up to date; npm run generate`);
  else writeFileSync(file, text);
}
if (check && stale.length > 0) process.exit(1);
