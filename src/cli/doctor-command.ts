import { defineCommand } from './command.js';
import { type Console, createConsole } from './console.js';
import { EXIT } from './failure.js';
import { JSON_FLAG } from './flags.js';
import { formatRatio, formatSi } from '../base/format.js';
import type {
  Advice,
  EngineFinding,
  Finding,
  MachineReport,
} from '../app/doctor/machine-report.js';
import { formatPairs, wrapText } from './table.js';

export const command = defineCommand({
  operands: [],
  flags: { json: JSON_FLAG },
  style: 'plain',
  help: (phantom) => ({
    notes: `
Rates are measured now, on one core, with products of 384 × 384 × 384 matrices;
on a GPU, with queues of products up to 4096 × 4096 × 4096.
PHANTOM_BLAS=/path/to/library chooses the matrix library (BLAS or oneDNN).`,
    examples: [`${phantom} doctor`, `${phantom} doctor --json | jq .advice`],
  }),
  async run({ flags: { json } }) {
    const { examineMachine } = await import('../app/doctor/machine-report.js');
    const report = await examineMachine();
    const console = createConsole();
    const lines = json ? [JSON.stringify({ type: 'doctor', ...report })] : render(console, report);
    for (const line of lines) console.out(line);
    return EXIT.fine;
  },
});

function render(console: Console, report: MachineReport): string[] {
  const { width } = console;
  const mark = ({ available }: Finding) =>
    available ? console.style('green', 'ok     ') : console.style('yellow', 'missing');
  const section = (title: string, findings: readonly Finding[]) => [
    '',
    console.style('bold', title),
    ...formatPairs(
      findings.map((found) => [`${mark(found)}  ${found.name}`, found.detail]),
      { indent: '  ', width },
    ),
  ];
  const found = report.libraries.filter(({ available }) => available);
  const libraries = found.length > 0 ? found : sameReasons(report.libraries);
  const wasm = report.engines.find(({ name }) => name === 'wasm')?.flopsPerS ?? null;
  const engines = report.engines.map((each) => ({ ...each, detail: engineText(each, wasm) }));
  return [
    ...adviceLines(console, report.advice),
    ...section('Engines', engines),
    report.auto === null
      ? '  No engine can be used.'
      : `  --engine auto takes ${console.style('bold', report.auto)}.`,
    ...section('Machine', report.machine),
    ...section('Matrix libraries', libraries),
    ...section('Communicators', report.communicators),
    ...section('Energy meters', report.meters),
  ];
}

/** What is missing, what each part would give, and below it how to get it. */
function adviceLines(console: Console, advice: readonly Advice[]): string[] {
  if (advice.length === 0) return [console.style('green', 'Nothing is missing.')];
  const lines = (text: string, indent: string) =>
    wrapText(text, console.width - indent.length).map((line) => `${indent}${line}`);
  return [
    console.style('yellow', 'Missing'),
    ...advice.flatMap(({ what, how }) => [
      ...lines(what, '  '),
      ...lines(how, '    ').map((line) => console.style('dim', line)),
    ]),
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

/** `94.6 GFLOP/s per core, 2.93× wasm: oneDNN 2.6.3` */
function engineText({ name, flopsPerS, detail }: EngineFinding, wasm: number | null): string {
  if (flopsPerS === null) return detail;
  const ratio = wasm === null ? '' : `, ${formatRatio(flopsPerS / wasm)} wasm`;
  const unit = name === 'cuda' ? 'device' : 'core';
  return `${formatSi(flopsPerS, 'FLOP/s')} per ${unit}${ratio}: ${detail}`;
}
