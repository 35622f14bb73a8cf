import * as z from 'zod/mini';
import { hint, nearestName } from '../base/nearest.js';
import { ruleOf, SETTING_KEYS, SETTINGS, type Setting, type SettingKey } from './keys.js';
import type { TrainingSettings } from './settings.js';

/** Settings that somebody gave: a file, flags or a run folder. */
export type GivenSettings = { -readonly [K in SettingKey]?: TrainingSettings[K] };

/** Something that is wrong with a given key; null: with all of it. */
export interface Problem {
  readonly key: string | null;
  readonly message: string;
}

function typeOf(setting: Setting): z.ZodMiniType {
  switch (setting.kind) {
    case 'choice':
      return z.enum(setting.choices);
    case 'integer':
      return z.int().check(z.gte(setting.least), z.lte(setting.most));
    case 'integers': {
      const each = z.int().check(z.gte(setting.least), z.lte(setting.most));
      return z.array(each).check(z.minLength(1));
    }
    case 'number': {
      const lower = setting.above ? z.gt(setting.least) : z.gte(setting.least);
      const { below } = setting;
      return below === undefined ? z.number().check(lower) : z.number().check(lower, z.lt(below));
    }
    case 'switch':
      return z.boolean();
    case 'text':
      return z.string().check(z.minLength(1));
    default:
      return z.union([z.number().check(z.gt(0), z.lt(1)), z.string().check(z.minLength(1))]);
  }
}

/** The schema of one key with its description, as `--help` words it. */
function fieldOf(setting: Setting): z.ZodMiniType {
  const type = setting.nullable ? z.nullable(typeOf(setting)) : typeOf(setting);
  const field = z.optional(type);
  const meta = setting.initial === null ? {} : { default: setting.initial };
  z.globalRegistry.add(field, { description: setting.about, ...meta });
  return field;
}

/** Keys as in a config file; each may be left out. */
export const SETTINGS_SCHEMA = z.strictObject(
  Object.fromEntries(SETTING_KEYS.map((key) => [key, fieldOf(SETTINGS[key])])),
);

/**
 * Checks keys, types and ranges of what was given, each value by itself.
 *
 * @param nameOf how a key is called where it was given: itself, or its flag
 */
export function checkGiven(
  given: unknown,
  nameOf: (key: string) => string = (key) => key,
): { readonly settings: GivenSettings; readonly problems: readonly Problem[] } {
  const parsed = SETTINGS_SCHEMA.safeParse(given);
  if (parsed.success) return { settings: parsed.data, problems: [] };
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const issue of parsed.error.issues) {
    const [key] = issue.path;
    if (issue.code === 'unrecognized_keys') {
      const names = SETTING_KEYS.map(nameOf);
      for (const unknown of issue.keys) {
        const message = `unknown key ${quote(unknown)}${hint(unknown, names)}`;
        problems.push({ key: unknown, message });
      }
    } else if (typeof key !== 'string') {
      problems.push({ key: null, message: `${quote(given)} is no table of keys and values` });
    } else if (!seen.has(key)) {
      seen.add(key);
      const setting = SETTINGS[key as SettingKey];
      const value = (given as Record<string, unknown>)[key];
      const near = setting.kind === 'choice' ? nearestName(String(value), setting.choices) : null;
      const rule = ruleOf(setting) + (near === null ? '' : `; did you mean ${near}?`);
      problems.push({ key, message: `${nameOf(key)} is ${quote(value)}; needs ${rule}` });
    }
  }
  return { settings: {}, problems };
}

/** A value for a message, on one line and not longer than a line. */
function quote(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing');
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
