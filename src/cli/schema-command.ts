import { defineCommand } from './command.js';
import { EXIT } from './failure.js';

export const command = defineCommand({
  operands: [],
  flags: {},
  style: 'plain',
  help: (phantom) => ({
    notes: `
For completion and checks in editors, name the file in the first line of a config:
  # yaml-language-server: $schema=training.schema.json`,
    examples: [`${phantom} schema > training.schema.json`],
  }),
  async run() {
    const { trainingJsonSchema } = await import('../settings/json-schema.js');
    process.stdout.write(`${JSON.stringify(trainingJsonSchema(), null, 2)}\n`);
    return EXIT.fine;
  },
});
