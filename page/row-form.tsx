import { useState } from 'preact/hooks';
import type { FeatureColumn, TableSchema } from '../src/data/tables/schema.js';
import { formatDuration } from '../src/base/format.js';
import { askJson, type Model } from './server.js';
import { TextTable } from './text-table.js';

interface Answer {
  readonly head: readonly string[];
  readonly row: readonly string[];
  readonly tookS: number;
}

/** A form for one row of a model, and its answer. */
export function RowForm({ model }: { readonly model: Model }) {
  const [answer, setAnswer] = useState<Answer | string | null>(null);
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const address = `v2/models/${encodeURIComponent(model.name)}`;
    const began = performance.now();
    try {
      const values =
        model.schema === null
          ? await predictNumbers(address, textIn(given, 'numbers'), model)
          : await predictNamed(address, model.schema, given);
      const tookS = (performance.now() - began) / 1000;
      setAnswer({
        head: values.map(([name]) => name),
        row: values.map(([, value]) => value),
        tookS,
      });
    } catch (error) {
      setAnswer((error as Error).message);
    }
  };
  const { schema, features } = model;
  return (
    <form onSubmit={(event) => void send(event)} class="row-form">
      {schema === null ? (
        <label class="wide">
          {features} numbers, separated by commas or spaces
          <textarea name="numbers" rows={3} required>
            {features > 64 ? '' : Array(features).fill('0').join(', ')}
          </textarea>
        </label>
      ) : (
        schema.features.map((column, i) => (
          <label key={column.name}>
            {column.name}
            <Field column={column} name={`${i}`} />
          </label>
        ))
      )}
      <button type="submit">Predict</button>
      <div role="status" class="wide">
        {typeof answer === 'string' && <p class="notes">{answer}</p>}
        {answer !== null && typeof answer === 'object' && (
          <>
            <TextTable caption={`Answer of ${model.name}`} head={answer.head} rows={[answer.row]} />
            <p class="soft">
              answered in {formatDuration(answer.tookS)}, the way there and back included
            </p>
          </>
        )}
      </div>
    </form>
  );
}

/** Left empty, it is a gap. */
function Field({ column, name }: { readonly column: FeatureColumn; readonly name: string }) {
  if (column.kind === 'number') {
    const range = `${column.min} to ${column.max} in training`;
    const usual = column.gaps ? column.median : (column.min + column.max) / 2;
    const value = Number(usual.toPrecision(4));
    return (
      <input name={name} type="number" step="any" defaultValue={String(value)} title={range} />
    );
  }
  const values = column.kind === 'boolean' ? ['true', 'false'] : column.values;
  return (
    <select name={name}>
      {values.map((value) => (
        <option key={value}>{value}</option>
      ))}
      <option value="">(none)</option>
    </select>
  );
}

function textIn(given: FormData, name: string): string {
  const value = given.get(name);
  return typeof value === 'string' ? value : '';
}

type Values = (readonly [name: string, value: string])[];

async function predictNamed(
  address: string,
  schema: TableSchema,
  given: FormData,
): Promise<Values> {
  const row = schema.features.map((column, i) => {
    const text = textIn(given, `${i}`);
    if (text === '') return [column.name, null] as const;
    if (column.kind === 'number') return [column.name, Number(text)] as const;
    return [column.name, column.kind === 'boolean' ? text === 'true' : text] as const;
  });
  const { predictions } = await askJson<{ predictions: Record<string, number | string | null>[] }>(
    `${address}/predict`,
    { rows: [Object.fromEntries(row)] },
  );
  return Object.entries(predictions[0] ?? {}).map(([name, value]) => [name, textOf(value)]);
}

async function predictNumbers(address: string, text: string, model: Model): Promise<Values> {
  const data = text
    .split(/[\s,;]+/)
    .filter((word) => word !== '')
    .map(Number);
  if (data.length !== model.features || data.some((value) => !Number.isFinite(value))) {
    throw new Error(`${data.length} numbers; a row has ${model.features}`);
  }
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, data.length], data }];
  const { outputs } = await askJson<{ outputs: { name: string; data: (number | string)[] }[] }>(
    `${address}/infer`,
    { inputs },
  );
  return outputs.flatMap(({ name, data: values }) =>
    values.map(
      (value, i) => [values.length === 1 ? name : `${name}[${i}]`, textOf(value)] as const,
    ),
  );
}

function textOf(value: number | string | null): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : (value ?? 'none');
}
