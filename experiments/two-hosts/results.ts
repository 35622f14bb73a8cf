// From measurements to tables and a chart.
import { median } from '#src/base/median.js';
import { chartFile } from '#src/report/chart-file.js';
import type { RawTransfer } from './raw.js';

/** The part of the step bench's report that is used here. */
interface StepReport {
  readonly width: number;
  readonly depth: number;
  readonly ghosts: number;
  readonly batch: number;
  readonly ranks: number;
  readonly engine: string;
  readonly communicator: string;
  readonly stepMs: number;
  readonly gemmMs: number;
  readonly exposedMs: number;
  readonly hiddenShare: number | null;
  readonly sentBytesPerRank: number;
  readonly wire: {
    readonly steps: number;
    readonly payloadSentBytes: number;
    readonly collectives: number;
    readonly byRank: readonly { readonly sentBytes: number; readonly sentPackets: number }[];
  };
}

export interface Measurement {
  readonly rate: string;
  /** null: no limit. */
  readonly bitsPerS: number | null;
  readonly strategy: string;
  readonly step: StepReport;
}

export interface Results {
  readonly command: string;
  readonly machine: { readonly cores: number; readonly cpu: string };
  /** By rate. */
  readonly raw: Readonly<Record<string, RawTransfer>>;
  readonly measurements: readonly Measurement[];
}

/** Medians over the repeats of one strategy at one rate. */
export interface Summary {
  readonly rate: string;
  readonly strategy: string;
  readonly repeats: number;
  readonly stepMs: number;
  readonly stepMsRange: readonly [number, number];
  readonly exposedMs: number;
  readonly hiddenShare: number;
  /** Over the median step of the same strategy without a limit. */
  readonly ratio: number;
  /** A step of rank 0. */
  readonly payloadBytes: number;
  readonly headerBytes: number;
  readonly wireBytes: number;
  readonly packets: number;
}

/** What each rank says of a collective to each other rank, besides the payload. */
const HEADER_BYTES = 64;
/** Ethernet 14, IP 20, TCP 20 and its timestamps 12; the interfaces do not count the checksum. */
const PACKET_BYTES = 66;

export function summarize({ measurements }: Results): Summary[] {
  const groups = new Map<string, Measurement[]>();
  for (const one of measurements) {
    const key = `${one.rate} ${one.strategy}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const stepOf = (rate: string, strategy: string): number =>
    middle(groups.get(`${rate} ${strategy}`)?.map(({ step }) => step.stepMs) ?? []);
  return [...groups.values()].map((group) => {
    const [first] = group;
    if (first === undefined) throw new TypeError('a group without measurements');
    const { rate, strategy, step } = first;
    const times = group.map((one) => one.step.stepMs);
    const perStep = (of: (wire: StepReport['wire']) => number): number =>
      middle(group.map((one) => of(one.step.wire) / one.step.wire.steps));
    return {
      rate,
      strategy,
      repeats: group.length,
      stepMs: middle(times),
      stepMsRange: [Math.min(...times), Math.max(...times)],
      exposedMs: middle(group.map((one) => one.step.exposedMs)),
      hiddenShare: middle(group.map((one) => one.step.hiddenShare ?? 0)),
      ratio: middle(times) / stepOf('unlimited', strategy),
      payloadBytes: perStep(({ payloadSentBytes }) => payloadSentBytes),
      headerBytes: perStep(({ collectives }) => collectives * HEADER_BYTES * (step.ranks - 1)),
      wireBytes: perStep(({ byRank }) => byRank[0]?.sentBytes ?? 0),
      packets: perStep(({ byRank }) => byRank[0]?.sentPackets ?? 0),
    };
  });
}

/** Markdown. */
export function tables({ raw }: Results, summary: readonly Summary[]): string {
  const ms = (value: number) => value.toFixed(1);
  const count = (value: number) => Math.round(value).toLocaleString('en');
  const rows = (head: readonly string[], body: readonly (readonly string[])[]) =>
    [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return [
    rows(
      ['cables', 'one TCP stream', '1 MB message'],
      Object.entries(raw).map(([rate, { bitsPerS, messageMs }]) => [
        rate,
        `${(bitsPerS / 1e6).toFixed(0)} Mb/s`,
        `${messageMs.toFixed(2)} ms`,
      ]),
    ),
    rows(
      [
        'cables',
        'strategy',
        'step, median (range)',
        'of unlimited',
        'exposed',
        'hidden',
        'repeats',
      ],
      summary.map((one) => [
        one.rate,
        one.strategy,
        `${ms(one.stepMs)} (${one.stepMsRange.map(ms).join('–')}) ms`,
        `${one.ratio.toFixed(2)}×`,
        `${ms(one.exposedMs)} ms`,
        `${(100 * one.hiddenShare).toFixed(0)}%`,
        String(one.repeats),
      ]),
    ),
    rows(
      ['cables', 'strategy', 'payload', 'headers', 'wire', 'packets', 'wire/payload', 'explained'],
      summary.map((one) => [
        one.rate,
        one.strategy,
        count(one.payloadBytes),
        count(one.headerBytes),
        count(one.wireBytes),
        count(one.packets),
        (one.wireBytes / one.payloadBytes).toFixed(4),
        `${((100 * explainedBytes(one)) / one.wireBytes).toFixed(2)}%`,
      ]),
    ),
  ].join('\n\n');
}

/** Step times, SVG. */
export function drawChart(summary: readonly Summary[]): string {
  return chartFile({
    kind: 'bars',
    title: 'A training step between two hosts, by the rate of their cables',
    axis: 'median step',
    unit: 's',
    parts: ['own work', 'exposed communication'],
    bars: summary.map(({ rate, strategy, stepMs, exposedMs }) => ({
      label: `${rate}, ${strategy}`,
      values: [(stepMs - exposedMs) / 1000, exposedMs / 1000],
    })),
  });
}

/** Payload, our headers, and those of Ethernet, IP and TCP. */
function explainedBytes({ payloadBytes, headerBytes, packets }: Summary): number {
  return payloadBytes + headerBytes + PACKET_BYTES * packets;
}

function middle(values: readonly number[]): number {
  return median(values) ?? Number.NaN;
}
