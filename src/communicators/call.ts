/** What a rank can call, as a signature carries it. */
const CALLS = ['all-gather', 'reduce-scatter', 'all-reduce', 'broadcast', 'barrier'] as const;
export type Call = (typeof CALLS)[number];

/** One number for a call; its length goes beside it. */
export function encodeCall(call: Call, float64: boolean, root: number): number {
  return CALLS.indexOf(call) + (float64 ? 8 : 0) + 16 * root;
}

/** `all-gather of 8 float32`, for people. */
export function describeCall(code: number, length: number): string {
  const call = CALLS[code & 7];
  if (call === 'barrier') return 'barrier';
  const from = call === 'broadcast' ? ` from rank ${code >> 4}` : '';
  return `${call} of ${length} ${code & 8 ? 'float64' : 'float32'}${from}`;
}

/** `rank 3`, `ranks 1, 2`. */
export function rankNames(missing: readonly number[]): string {
  const shown = missing.slice(0, 16).join(', ') + (missing.length > 16 ? ', …' : '');
  return `${missing.length === 1 ? 'rank' : 'ranks'} ${shown}`;
}
