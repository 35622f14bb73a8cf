// Writes the files that are made from the table of settings (src/settings/keys.ts). With --check
// it writes nothing and fails where one is not what it would write.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
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

/** Contents by file. */
const files = {
  'schemas/training.schema.json': `${JSON.stringify(trainingJsonSchema(), null, 2)}\n`,
  'src/settings/settings.ts': settingsSource(),
};

const stale = Object.entries(files).filter(([file, text]) => readFileSync(file, 'utf8') !== text);
for (const [file, text] of stale) {
  if (check) console.error(`${file} is not up to date; npm run generate`);
  else writeFileSync(file, text);
}
if (check && stale.length > 0) process.exit(1);
