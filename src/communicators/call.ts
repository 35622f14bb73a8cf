/** What a rank can call, as a signature carries it. */
const CALLS = [
  'all-gather',
  'reduce-scatter',
  'all-reduce',
  'broadcast',
  'barrier',
  'all-to-all',
] as const;
export type Call = (typeof CALLS)[number];

/** Element types by their size in bytes, in the order of their codes. */
const ELEMENTS = [
  [4, 'float32'],
  [8, 'float64'],
  [1, 'bytes'],
] as const;

/** One number for a call; its length goes beside it. @param elementBytes of what it carries */
export function encodeCall(call: Call, elementBytes: number, root: number): number {
  const element = ELEMENTS.findIndex(([bytes]) => bytes === elementBytes);
  return CALLS.indexOf(call) + 8 * element + 32 * root;
}

/** Elements that a call is about: of one shard where it has shards. */
export function shardLength(
  call: Call,
  send: { readonly length: number },
  receive: { readonly length: number },
  size: number,
): number {
  if (call === 'all-to-all') return send.length / size;
  return call === 'reduce-scatter' ? receive.length : send.length;
}

/** `all-gather of 8 float32`, for people. */
export function describeCall(code: number, length: number): string {
  const call = CALLS[code & 7];
  if (call === 'barrier') return 'barrier';
  const from = call === 'broadcast' ? ` from rank ${code >> 5}` : '';
  return `${call} of ${length} ${ELEMENTS[(code >> 3) & 3]?.[1]}${from}`;
}

/** `rank 3`, `ranks 1, 2`. */
export function rankNames(missing: readonly number[]): string {
  const shown = missing.slice(0, 16).join(', ') + (missing.length > 16 ? ', …' : '');
  return `${missing.length === 1 ? 'rank' : 'ranks'} ${shown}`;
}
