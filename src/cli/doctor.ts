import type { Command } from 'commander';
import { type Console, createConsole } from './console.js';
import { EXIT } from './failure.js';
import { formatRatio, formatSi } from '../base/format.js';
import type { EngineFinding, Finding, MachineReport } from '../app/doctor/machine-report.js';
import { formatPairs, formatTable } from './table.js';

const EXAMPLES = `
The rates are those of one thread at a product of 384 × 384 × 384, measured now.
PHANTOM_BLAS=/path/to/library names a BLAS library.

Examples:
  $ phantom doctor
  $ phantom doctor --json | jq .advice`;

export function define(command: Command, done: (exitCode: number) => void): void {
  command
    .option('--json', 'one object on stdout, and nothing else')
    .addHelpText('after', EXAMPLES)
    .action(async () => {
      const { examineMachine } = await import('../app/doctor/machine-report.js');
      const report = await examineMachine();
      const console = createConsole();
      const json = command.opts<{ json?: true }>().json === true;
      const lines = json
        ? [JSON.stringify({ type: 'doctor', ...report })]
        : render(console, report);
      for (const line of lines) console.out(line);
      done(EXIT.fine);
    });
}

function render(console: Console, report: MachineReport): string[] {
  const mark = ({ available }: Finding) =>
    available ? console.style('green', 'ok') : console.style('yellow', 'missing');
  const section = (title: string, findings: readonly Finding[]) => [
    '',
    console.style('bold', title),
    ...formatPairs(findings.map((found) => [`${pad(mark(found))} ${found.name}`, found.detail])),
  ];
  const found = report.libraries.filter(({ available }) => available);
  const libraries = found.length > 0 ? found : sameReasons(report.libraries);
  const advice = report.advice.flatMap(({ what, how }) => [`  ${what}:`, `    ${how}`]);
  return [
    ...section('Machine', report.machine).slice(1),
    ...section('BLAS libraries', libraries),
    ...section('Communicators', report.communicators),
    ...section('Energy meters', report.meters),
    '',
    console.style('bold', 'Engines'),
    ...engineTable(report, mark).map((line) => `  ${line}`),
    '',
    report.auto === null
      ? '  no engine can be used'
      : `  --engine auto takes ${console.style('bold', report.auto)}`,
    '',
    console.style('bold', 'What would make it better'),
    ...(advice.length > 0 ? advice : ['  nothing that this command knows of']),
  ];
}

/** Candidates that failed for one reason, in one line. */
function sameReasons(candidates: readonly Finding[]): Finding[] {
  const names = new Map<string, string[]>();
  for (const { name, detail } of candidates) {
    const reason = detail.replaceAll(`${name}: `, '');
    names.set(reason, [...(names.get(reason) ?? []), name]);
  }
  return [...names].map(([reason, same]) => ({
    name: 'BLAS',
    available: false,
    detail: `${same.join(', ')}: ${reason}`,
  }));
}

const rate = ({ flopsPerS }: EngineFinding) =>
  flopsPerS === null ? '–' : formatSi(flopsPerS, 'FLOP/s');

function engineTable(report: MachineReport, mark: (found: Finding) => string): string[] {
  const slowest = report.engines.find(({ name }) => name === 'wasm')?.flopsPerS ?? null;
  const ratio = ({ flopsPerS }: EngineFinding) =>
    flopsPerS === null || slowest === null ? '–' : formatRatio(flopsPerS / slowest);
  const table = formatTable(
    ['', 'one thread', '/ wasm'],
    report.engines.map((engine) => [
      `${pad(mark(engine))} ${engine.name}`,
      rate(engine),
      ratio(engine),
    ]),
  );
  return table.map((line, i) => {
    const engine = report.engines[i - 2];
    return engine === undefined ? line : `${line}   ${engine.detail}`;
  });
}

/** Marks take the same room, escape sequences left out. */
function pad(marked: string): string {
  return marked.includes('missing') ? marked : `${marked}     `;
}
