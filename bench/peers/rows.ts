// Figures of programs that take turns.
import type { EngineChoice } from '#src/engines/engine-list.js';
import { quantile } from '../step.js';

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}
export interface Row {
  readonly what: string;
  readonly peer: string;
  readonly ownMs: Spread;
  readonly peerMs: Spread;
  /** The peer's time over ours, round by round. */
  readonly ratio: Spread;
}
/** What both comparisons take. */
export interface PeersRequest {
  readonly python: string;
  readonly engine: EngineChoice;
  readonly rounds: number;
  readonly width: number;
  readonly depth: number;
  readonly ghosts: number;
}

/** Blocks, ranks and processes. */
export const RANKS = 2;

export function rowOf(what: string, peer: string, own: number[] = [], theirs: number[] = []): Row {
  const ratios = theirs.map((ms, round) => ms / (own[round] ?? Number.NaN));
  return { what, peer, ownMs: spread(own), peerMs: spread(theirs), ratio: spread(ratios) };
}

function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), least: quantile(values, 0), most: quantile(values, 1) };
}

export function rowLine({ what, peer, ownMs, peerMs, ratio }: Row): string {
  const show = ({ median, least, most }: Spread) =>
    [median, least, most].map((value) => value.toPrecision(3));
  const [own, theirs, by] = [ownMs, peerMs, ratio].map(show);
  const cell = (of: string[] = []) => `${of[0]} (${of[1]}–${of[2]})`;
  return (
    `${what.padEnd(44)} ${cell(own).padEnd(22)} ms  ${peer.padEnd(38)} ` +
    `${cell(theirs).padEnd(22)} ms  ${cell(by)}×`
  );
}
