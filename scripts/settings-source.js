// The type of all settings as TypeScript, with a docstring for each.
import { SETTING_GROUPS, SETTING_KEYS, settingOf } from '../dist/settings/keys.js';
import { ruleOf } from '../dist/settings/value-kinds.js';

const WIDTH = 100;

export function settingsSource() {
  const groups = SETTING_GROUPS.map((group) => {
    const keys = SETTING_KEYS.filter((key) => settingOf(key).group === group);
    return keys.map(fieldOf).join('\n');
  });
  return `// Made from keys.ts by \`npm run generate\`; a change belongs there.

/**
 * Settings of a training run, with every default filled in. A config file has the same keys; a
 * flag is the key in kebab-case. null: not set, or decided by the data.
 */
export interface TrainingSettings {
${groups.join('\n\n')}
}
`;
}

function fieldOf(key) {
  const setting = settingOf(key);
  const { about, initial, nullable } = setting;
  const isPlain = ['choice', 'switch', 'text'].includes(setting.kind);
  const rule = isPlain ? '' : ` ${sentence(ruleOf(setting))}`;
  const fallback = initial === null ? '' : ` Default: ${initial}.`;
  const type = typeOf(setting) + (nullable === undefined ? '' : ' | null');
  const line = `  readonly ${key}: ${type};`;
  const wrapped = `  readonly ${key}:\n    | ${type.replaceAll(' | ', '\n    | ')};`;
  const field = line.length <= WIDTH ? line : wrapped;
  return `${docblock(sentence(about) + rule + fallback)}\n${field}`;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function typeOf(setting) {
  switch (setting.kind) {
    case 'choice':
      return setting.choices.map((choice) => `'${choice}'`).join(' | ');
    case 'integer':
    case 'number':
      return 'number';
    case 'integers':
    case 'numbers':
      return 'readonly number[]';
    case 'texts':
      return 'readonly string[]';
    case 'devices':
      return 'readonly (number | string)[]';
    case 'switch':
      return 'boolean';
    case 'text':
      return 'string';
    default:
      return 'number | string';
  }
}

function docblock(text) {
  if (text.length + '  /**  */'.length <= WIDTH) return `  /** ${text} */`;
  const lines = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > WIDTH - '   * '.length) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return ['  /**', ...[...lines, line].map((one) => `   * ${one}`), '   */'].join('\n');
}
