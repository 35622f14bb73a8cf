// What a machine file holds. zod takes its time to load, so that only who reads a file loads this.
import * as z from 'zod/mini';
import type { Machine } from './machine.js';
import { ConfigError } from '../base/errors.js';

const nonEmpty = z.string().check(z.minLength(1));
const positive = z.number().check(z.gt(0));
const seconds = z.number().check(z.gte(0));
const sourced = z.strictObject({ value: positive, source: nonEmpty });
const amount = z.strictObject({ value: seconds, source: nonEmpty });
const link = z.strictObject({ latencyS: z.nullable(amount), bytesPerS: sourced });
const axis = z.array(positive).check(
  z.minLength(1),
  z.refine((values) => values.every((value, i) => i === 0 || value > (values[i - 1] ?? 0)), {
    message: 'needs ascending numbers',
  }),
);
const times = z.array(positive).check(z.minLength(1));
const products = z
  .strictObject({
    first: axis,
    second: axis,
    batch: axis,
    seconds: z.strictObject({ NN: times, NT: times, TN: times }),
  })
  .check(
    z.refine(
      ({ first, second, batch, seconds: forms }) =>
        Object.values(forms).every(
          (list) => list.length === first.length * second.length * batch.length,
        ),
      { message: 'needs one time for each first × second × batch' },
    ),
  );
const sizeTimes = z
  .array(z.strictObject({ size: positive, seconds: positive }))
  .check(z.minLength(1));
const collectiveTimes = z
  .array(z.strictObject({ bytes: positive, startS: seconds, transferS: seconds, finishS: seconds }))
  .check(z.minLength(1));
const measured = {
  engine: nonEmpty,
  source: nonEmpty,
  ranks: positive,
  products,
  passes: z.record(z.string(), sizeTimes),
  inStep: z.strictObject({ factor: positive, perOperationS: seconds }),
};

const MACHINE_SCHEMA = z.strictObject({
  name: nonEmpty,
  description: nonEmpty,
  ranksPerNode: sourced,
  rankMemoryBytes: z.nullable(sourced),
  compute: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('peak'),
      flopsPerS: sourced,
      tf32FlopsPerS: z.optional(sourced),
      bfloat16FlopsPerS: z.optional(sourced),
      memoryBytesPerS: sourced,
    }),
    z.strictObject({
      kind: z.literal('measured'),
      ...measured,
      bfloat16: z.optional(z.strictObject(measured)),
    }),
  ]),
  collectives: z.array(
    z.strictObject({
      transport: nonEmpty,
      ranks: positive,
      source: nonEmpty,
      allGather: collectiveTimes,
      allToAll: collectiveTimes,
      reduceScatter: collectiveTimes,
      allReduce: collectiveTimes,
    }),
  ),
  withinNode: z.nullable(link),
  betweenNodes: z.nullable(link),
  power: z.strictObject({
    busyW: z.nullable(amount),
    waitingW: z.nullable(amount),
    sharedW: z.nullable(amount),
    energyPerByteJ: z.nullable(amount),
  }),
});

/** @throws ConfigError in a line, with the first thing that is wrong */
export function parseMachine(file: string, json: string): Machine {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new ConfigError(file, `not JSON: ${(error as Error).message.split('\n', 1)[0]}`);
  }
  if (typeof value === 'object' && value !== null && 'power' in value && !('compute' in value)) {
    throw new ConfigError(file, 'has watts only, for the modelled meter; a plan needs more');
  }
  const parsed = MACHINE_SCHEMA.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = (issue?.path ?? []).map(String).join('.') || 'the file';
  throw new ConfigError(file, `${where}: ${problemOf(issue, valueAt(value, issue?.path ?? []))}`);
}

function problemOf(issue: z.core.$ZodIssue | undefined, found: unknown): string {
  if (issue === undefined) return 'not a machine';
  if (issue.code === 'unrecognized_keys') return `unknown key ${issue.keys.join(', ')}`;
  if (found === undefined) return 'is missing';
  const shown = JSON.stringify(found)?.slice(0, 40);
  if (issue.code === 'too_small') {
    const least = `${issue.inclusive === true ? 'at least' : 'more than'} ${issue.minimum}`;
    return typeof found === 'number' ? `is ${shown}; needs a number of ${least}` : 'is empty';
  }
  if (issue.code === 'invalid_type') return `is ${shown}; needs a ${issue.expected}`;
  return issue.message;
}

function valueAt(value: unknown, keys: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of keys) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<PropertyKey, unknown>)[key];
  }
  return at;
}
