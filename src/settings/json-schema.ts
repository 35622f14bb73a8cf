import { SETTING_KEYS, settingOf } from './keys.js';
import {
  DEVICE_UUID,
  limitsOf,
  MOST,
  MOST_DEVICE,
  type Numeric,
  type Setting,
} from './value-kinds.js';

type Schema = Record<string, unknown>;

/** JSON Schema (draft 7, which editors for YAML and JSON know) of a training config file. */
export function trainingJsonSchema(): Schema {
  const properties = SETTING_KEYS.map((key) => [key, schemaOf(settingOf(key))]);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'phantom-parallel train',
    description: 'Settings of a training run of phantom-parallel',
    type: 'object',
    properties: {
      $schema: { type: 'string', description: 'Where this schema is, for editors' },
      ...Object.fromEntries(properties),
    },
    additionalProperties: false,
    not: {
      required: ['steps', 'epochs'],
      properties: { steps: { type: 'integer' }, epochs: { type: 'integer' } },
    },
  };
}

function schemaOf(setting: Setting): Schema {
  const { about: description, initial, nullable } = setting;
  const types = nullable === undefined ? typesOf(setting) : [...typesOf(setting), { type: 'null' }];
  const type = types.length === 1 ? types[0] : { anyOf: types };
  return { description, ...(initial !== null && { default: initial }), ...type };
}

const TEXT = { type: 'string', minLength: 1 };
const DEVICE = [
  { type: 'integer', minimum: 0, maximum: MOST_DEVICE },
  { type: 'string', pattern: DEVICE_UUID.source },
];

function typesOf(setting: Setting): Schema[] {
  switch (setting.kind) {
    case 'choice':
      return [{ type: 'string', enum: setting.choices }];
    case 'integer':
    case 'number':
      return [numeric(setting)];
    case 'integers':
    case 'numbers':
      return [{ type: 'array', minItems: 1, items: numeric(setting) }];
    case 'switch':
      return [{ type: 'boolean' }];
    case 'text':
      return [TEXT];
    case 'texts':
      return [{ type: 'array', minItems: 1, items: TEXT }];
    case 'devices':
      return [{ type: 'array', minItems: 1, items: { anyOf: DEVICE } }];
    default:
      return [{ type: 'number', minimum: 0, exclusiveMaximum: 1 }, TEXT];
  }
}

function numeric(setting: Numeric): Schema {
  const { least, most = MOST } = setting;
  const upper = most === MOST ? {} : { maximum: most };
  if (setting.kind === 'integer' || setting.kind === 'integers') {
    return { type: 'integer', minimum: least, ...upper };
  }
  const { above, below } = limitsOf(setting);
  const lower = above ? { exclusiveMinimum: least } : { minimum: least };
  return {
    type: 'number',
    ...lower,
    ...upper,
    ...(below !== undefined && { exclusiveMaximum: below }),
  };
}
