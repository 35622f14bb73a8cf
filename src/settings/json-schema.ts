import * as z from 'zod/mini';
import { SETTINGS_SCHEMA } from './schema.js';

/** JSON Schema (draft 7, which editors for YAML and JSON know) of a training config file. */
export function trainingJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(SETTINGS_SCHEMA, { target: 'draft-7', io: 'input' });
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'phantom train',
    description: 'Settings of a training run of phantom-parallel',
    type: 'object',
    properties: {
      $schema: { type: 'string', description: 'Where this schema is, for editors' },
      ...schema.properties,
    },
    additionalProperties: false,
    not: {
      required: ['steps', 'epochs'],
      properties: { steps: { type: 'integer' }, epochs: { type: 'integer' } },
    },
  };
}
