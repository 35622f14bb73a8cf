import type { Command } from 'commander';

export function define(command: Command): void {
  command.action(async () => {
    const { trainingJsonSchema } = await import('../settings/json-schema.js');
    process.stdout.write(`${JSON.stringify(trainingJsonSchema(), null, 2)}\n`);
  });
}
