// The pages of docs/ that are made from the code: settings and commands.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { COMMANDS } from '../dist/cli/command-list.js';
import { flagOf, SETTING_GROUPS, SETTINGS } from '../dist/settings/keys.js';
import { ruleOf } from '../dist/settings/value-kinds.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** `docs/settings.md` */
export function settingsPage() {
  const row = ([key, setting]) => {
    const flag =
      setting.kind === 'switch'
        ? flagOf(setting.initial === true ? `no-${key}` : key)
        : `${flagOf(key)} <${setting.placeholder ?? 'name'}>`;
    const { fallback = '' } = setting;
    const initial = setting.initial === null ? fallback : `\`${setting.initial}\``;
    return `| \`${cell(flag)}\` | \`${key}\` | ${initial} | ${cell(ruleOf(setting))} | ${cell(setting.about)} |`;
  };
  const sections = SETTING_GROUPS.map((group) => {
    const settings = Object.entries(SETTINGS).filter(([, setting]) => setting.group === group);
    const head =
      '| flag | key of a config file | default | needs | what it does |\n|---|---|---|---|---|';
    return `## ${group}\n\n${head}\n${settings.map(row).join('\n')}\n`;
  });
  return (
    '# Settings\n\n' +
    '<!-- Made from the code by npm run generate. -->\n\n' +
    'What `train` takes, as flags or as keys of a YAML or JSON file; flags win over the file. ' +
    '`compare`, `plan` and other commands take those that concern them. A key without a default is ' +
    'not set, or is decided as its last column says; `null` in a file, and `none` as a flag, ' +
    'unset what may be unset.\n\n' +
    sections.join('\n')
  );
}

/** Every command's help, by name, as it is printed where npm starts the command. */
async function helpTexts() {
  const run = promisify(execFile);
  const folder = mkdtempSync(path.join(tmpdir(), 'phantom-docs-'));
  const command = path.join(folder, 'phantom-parallel');
  symlinkSync(path.join(ROOT, 'dist/cli/main.js'), command);
  const env = { ...process.env, NO_COLOR: '1', COLUMNS: '80', npm_command: 'exec' };
  const help = async (...args) => {
    const { stdout } = await run(process.execPath, [command, ...args, '--help'], { env });
    return stdout.trimEnd().replace(/ +$/gm, '');
  };
  try {
    const program = await help();
    const names = Object.keys(COMMANDS);
    const texts = await Promise.all(names.map(async (name) => [name, await help(name)]));
    return { program, commands: new Map(texts) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** `docs/commands.md` */
export async function commandsPage() {
  const { program, commands } = await helpTexts();
  const block = (text) => `\`\`\`text\n${text}\n\`\`\`\n`;
  return (
    '# Commands\n\n' +
    '<!-- Made from the code by npm run generate. -->\n\n' +
    'What each command prints with `--help`. Exit codes: 0, or 2 for what the user can mend, 1 for a ' +
    'defect, 128 and the number of the signal for a run that a signal ended.\n\n' +
    `${[...commands.keys()].map((name) => `[${name}](#${name})`).join(' · ')}\n\n${block(program)}\n` +
    [...commands].map(([name, text]) => `## ${name}\n\n${block(text)}`).join('\n')
  );
}
