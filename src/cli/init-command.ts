import { invocation } from '../base/invocation.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { createConsole } from './console.js';
import { EXIT } from './failure.js';
import { flagLike, JSON_FLAG } from './flags.js';
import { formatPairs } from './table.js';

export const command = defineCommand({
  operands: [{ name: 'data', about: 'data as for train', count: 'one' }],
  flags: {
    target: flagLike(SETTINGS.target, {}),
    out: {
      kind: 'text',
      placeholder: 'file',
      about: 'the config to write, YAML; a file that exists is never written over',
      initial: null,
      nullable: true,
      fallback: 'the name of the data and .yaml',
    },
    json: JSON_FLAG,
  },
  style: 'plain',
  help: (phantom) => ({
    notes: `
The config says what was found in each column, which of them train would use, and how.`,
    examples: [
      `${phantom} init houses.csv --target price`,
      `${phantom} train houses.yaml --epochs 20`,
    ],
  }),
  async run({ operands: [data = ''], flags: { target, out, json } }) {
    const { initConfig } = await import('../app/init/init-config.js');
    const phantom = invocation();
    const report = await initConfig({ data, targets: target, out, phantom });
    const console = createConsole();
    if (json) {
      console.out(JSON.stringify({ type: 'init', ...report }));
      return EXIT.fine;
    }
    const pairs: [string, string][] = [
      ['config', report.out],
      ...report.notes.map((note): [string, string] => ['', note]),
      ['next', `${phantom} train ${report.out}`],
    ];
    for (const line of formatPairs(pairs, { width: console.width })) console.out(line);
    return EXIT.fine;
  },
});
