import { signal } from '@preact/signals';
import { render } from 'preact';
import type { TableSchema } from '../src/data/tables/schema.js';
import { formatDuration, formatSi, plural } from '../src/base/format.js';
import type { XyFigure } from '../src/report/figure.js';
import { FigureView } from './figure-view.js';
import { RowForm } from './row-form.js';
import { type Sample, sampleOf } from './server-metrics.js';
import { ask, askJson, authorization, type Model } from './server.js';

interface Route {
  readonly path: string;
  readonly method: string;
  readonly summary: string;
}

const EVERY_MS = 2000;
const MOST_SAMPLES = 150;

const problem = signal<string | null>(null);
const models = signal<readonly Model[]>([]);
const routes = signal<readonly Route[]>([]);
const samples = signal<readonly Sample[]>([]);

interface Listed extends Pick<Model, 'name' | 'state' | 'reason' | 'version'> {}
interface Metadata {
  readonly inputs: readonly { readonly shape: readonly number[] }[];
  readonly outputs: readonly { readonly shape: readonly number[] }[];
}

/** Reads a model's metadata only where its version is another. */
async function describe(listed: Listed): Promise<Model> {
  const known = models.value.find(({ name }) => name === listed.name);
  if (listed.version === undefined || known?.version === listed.version) {
    return { features: 0, outputs: 0, schema: null, ...known, ...listed };
  }
  const address = `v2/models/${encodeURIComponent(listed.name)}`;
  const { inputs, outputs } = await askJson<Metadata>(address);
  // Columns by name follow the one input that every model has.
  const isTable = inputs.length > 1;
  return {
    ...listed,
    features: inputs[0]?.shape[1] ?? 0,
    outputs: outputs[0]?.shape[1] ?? 0,
    schema: isTable ? await askJson<TableSchema>(`${address}/schema`) : null,
  };
}

async function look(): Promise<void> {
  const listed = await askJson<Listed[]>('v2/repository/index', {});
  models.value = await Promise.all(listed.map(describe));
  const response = await ask('metrics');
  const sample = sampleOf(await response.text(), performance.now() / 1000);
  samples.value = [...samples.value, sample].slice(-MOST_SAMPLES);
  if (routes.value.length > 0) return;
  const { paths } = await askJson<{ paths: Record<string, Record<string, { summary: string }>> }>(
    'openapi.json',
  );
  routes.value = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary }]) => ({ path, method, summary })),
  );
}

/** A value between each two looks, over the time since the first. */
function curve(of: (later: Sample, earlier: Sample) => number | null, label: string) {
  const all = samples.value;
  const start = all[0]?.atS ?? 0;
  const points = all.slice(1).flatMap((later, i) => {
    const earlier = all[i];
    return earlier === undefined ? [] : [{ x: later.atS - start, y: of(later, earlier) }];
  });
  return { label, points };
}

function liveFigures(): XyFigure[] {
  const x = { label: 'time since the page was opened', unit: 's' };
  return [
    {
      kind: 'lines',
      title: 'Requests per second',
      x,
      y: { label: 'requests per second', fromZero: true },
      series: [
        curve((b, a) => (b.requests - a.requests) / (b.atS - a.atS), 'answered'),
        curve((b, a) => (b.failures - a.failures) / (b.atS - a.atS), 'failed'),
      ],
    },
    {
      kind: 'lines',
      title: 'Mean latency on the server',
      x,
      y: { label: 'from body to answer', unit: 's', fromZero: true },
      series: [
        curve(
          (b, a) =>
            b.requests > a.requests ? (b.requestS - a.requestS) / (b.requests - a.requests) : null,
          'latency',
        ),
      ],
    },
  ];
}

/** Energy since the server began, and how it was obtained. */
function energyText(): string {
  const last = samples.value.at(-1);
  if (last === undefined || last.energyJ === null) return 'unknown';
  const { energyJ, obtained, requests } = last;
  const each =
    requests > 0 ? `, ${formatSi(energyJ / requests, 'J')} per request, idle included` : '';
  return `${formatSi(energyJ, 'J')}${each} (${obtained})`;
}

/** A browser sends no token to a link. */
function Address({ name }: { readonly name: string }) {
  return 'Authorization' in authorization() ? <code>/{name}</code> : <a href={name}>{name}</a>;
}

function ModelView({ model }: { readonly model: Model }) {
  const { name, version, state, reason, features, outputs, schema } = model;
  const isReady = state === 'READY';
  const pairs: (readonly [string, string])[] = [
    ['state', isReady ? `ready, version ${version ?? ''}` : `not available: ${reason}`],
    ['a row', schema === null ? `${features} numbers` : `${schema.features.length} columns`],
    [
      'answers',
      schema === null
        ? `${outputs} numbers`
        : schema.targets
            .map((target) =>
              target.kind === 'class'
                ? `${target.name} (${target.classes.length} classes)`
                : target.name,
            )
            .join(', '),
    ],
  ];
  return (
    <section>
      <h2>{name}</h2>
      <dl>
        {pairs.map(([label, value]) => (
          <>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
      {isReady && <RowForm key={version} model={model} />}
    </section>
  );
}

function Page() {
  const last = samples.value.at(-1);
  const mean = last !== undefined && last.requests > 0 ? last.requestS / last.requests : null;
  return (
    <>
      <header>
        <h1>Models served here</h1>
        <p class="soft" role="status">
          {problem.value ??
            `${plural(last?.requests ?? 0, 'request')} answered, ${last?.failures ?? 0} failed`}
        </p>
      </header>
      <main>
        {models.value.map((model) => (
          <ModelView key={model.name} model={model} />
        ))}
        <section>
          <h2>Live</h2>
          <dl>
            <dt>mean latency</dt>
            <dd>{mean === null ? 'no request yet' : formatDuration(mean)}</dd>
            <dt>energy</dt>
            <dd>{energyText()}</dd>
          </dl>
          <div class="charts">
            {liveFigures().map((figure) => (
              <FigureView key={figure.title} figure={figure} />
            ))}
          </div>
        </section>
        <section>
          <h2>Requests</h2>
          <p>
            All of it in <Address name="openapi.json" /> (OpenAPI 3.1); counters for Prometheus in{' '}
            <Address name="metrics" />.
          </p>
          <div class="scroll" tabIndex={0} role="region" aria-label="Requests">
            <table>
              <caption>Requests that this server answers</caption>
              <tbody>
                {routes.value.map(({ path, method, summary }) => (
                  <tr key={method + path}>
                    <th scope="row">
                      <code>
                        {method.toUpperCase()} {path}
                      </code>
                    </th>
                    <td class="left">{summary}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      </main>
      <footer>
        <p>Values between two looks, {EVERY_MS / 1000} s apart, of all models together.</p>
      </footer>
    </>
  );
}

async function follow(): Promise<never> {
  for (;;) {
    try {
      if (!document.hidden) await look();
      problem.value = null;
    } catch (error) {
      problem.value = `No answer (${(error as Error).message}); trying again.`;
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

const place = document.querySelector('#page');
if (place !== null) {
  place.replaceChildren();
  render(<Page />, place);
}
void follow();
