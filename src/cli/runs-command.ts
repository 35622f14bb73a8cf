import { ConfigError } from '../base/errors.js';
import { defineCommand } from './command.js';
import { createConsole } from './console.js';
import { EXIT } from './failure.js';
import { JSON_FLAG } from './flags.js';
import { formatTable, wrapText } from './table.js';

export const command = defineCommand({
  operands: [
    {
      name: 'folder',
      about: 'run folders, and folders of such folders; default runs',
      count: 'any number',
    },
  ],
  flags: { json: JSON_FLAG },
  style: 'plain',
  help: (phantom) => ({
    notes: '',
    examples: [`${phantom} runs`, `${phantom} runs runs/first runs/second --json`],
  }),
  async run({ operands, flags: { json } }) {
    const console = createConsole();
    const { describeRun, readRuns } = await import('../runs/run-folders.js');
    const { modelledRemark, usedColumns } = await import('../runs/run-table.js');
    const given = operands.length === 0 ? ['runs'] : operands;
    const { runs, problems } = readRuns(given);
    if (runs.length === 0) {
      throw new ConfigError('runs', `no run in ${given.join(', ')}\n${problems.join('\n')}`);
    }
    for (const problem of problems) console.err(`phantom: ${problem}`);
    const all = runs.map(describeRun);
    if (json) {
      const shown = all.map(({ name, folder, state, network, figures }) => {
        return { name, folder, state, network, ...figures };
      });
      console.out(JSON.stringify({ type: 'runs', problems, runs: shown }));
      return EXIT.fine;
    }
    const columns = usedColumns(all);
    const head = columns.map(({ title }) => title);
    const rows = all.map((run) => columns.map(({ text }) => text(run)));
    const remark = modelledRemark(all);
    const lines = formatTable(head, rows, console.width);
    if (remark !== '') lines.push('', ...wrapText(remark, console.width));
    for (const line of lines) console.out(line);
    return EXIT.fine;
  },
});
