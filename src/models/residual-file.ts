import { DataError } from '../base/errors.js';
import type { SafetensorsFile } from '../data/safetensors.js';
import type { DenseLayer } from './dense-network.js';
import { linearShape, type LinearShape, refuseStrangers } from './linear-stack.js';

/** Layers of residual blocks as a file of weights has them. */
export interface ResidualFile {
  readonly width: number;
  readonly depth: number;
  readonly expansion: number;
  readonly gated: boolean;
  /** In the order of the forward pass; without `input` and `head` where the ends are sharded. */
  readonly layers: readonly DenseLayer[];
}

/**
 * What comes before the names of the blocks in a file; null: it has none.
 *
 * @throws DataError for the blocks of several networks
 */
export function blocksPrefix(weights: SafetensorsFile, chosen: string): string | null {
  const first = /^(.*\.|)blocks\.0\.up\.weight$/;
  const found = [...weights.entries.keys()]
    .map((name) => first.exec(name)?.[1])
    .filter((prefix) => prefix?.startsWith(chosen) === true) as string[];
  if (found.length > 1) {
    const names = found.map((prefix) => `${prefix}blocks`).join(', ');
    throw new DataError(
      'compress',
      `${weights.path}: residual blocks of ${found.length} networks, ${names}; --prefix takes one of them`,
    );
  }
  return found[0] ?? null;
}

/**
 * Reads residual blocks by the names of their PyTorch modules, each an `nn.Linear`: `blocks.0.up`,
 * `blocks.0.down`, …, of gated blocks `blocks.0.gate` for the half that the activation is applied to,
 * between `input` and `head` or alone. `export` writes these names.
 *
 * @param prefix of the names
 * @param chosen what the names of the network begin with, said by the caller: others are left out
 * @throws DataError for a tensor that is missing, does not belong there or has another shape
 */
export function readBlocks(weights: SafetensorsFile, prefix: string, chosen: string): ResidualFile {
  const all = [...weights.entries.keys()].filter((name) => name.startsWith(chosen));
  const names = all.filter((name) => name.startsWith(prefix));
  const has = (stem: string) => weights.entries.has(`${prefix}${stem}.weight`);
  const shapeOf = (stem: string) => linearShape(weights, prefix + stem);
  const ups = names.filter((name) => /^blocks\.\d+\.up\.weight$/.test(name.slice(prefix.length)));
  const gated = has('blocks.0.gate');
  const hidden = ups.flatMap((_, l): Part[] => {
    const up = gated ? [`blocks.${l}.gate`, `blocks.${l}.up`] : [`blocks.${l}.up`];
    return [
      { role: 'hidden', place: 'up', shapes: up.map(shapeOf) },
      { role: 'hidden', place: 'down', shapes: [shapeOf(`blocks.${l}.down`)] },
    ];
  });
  const end = (role: 'input' | 'head'): Part => ({ role, place: null, shapes: [shapeOf(role)] });
  const parts = has('input') || has('head') ? [end('input'), ...hidden, end('head')] : hidden;
  const known = new Set(parts.flatMap(({ shapes }) => shapes.map(({ stem }) => stem)));
  refuseStrangers(weights, all, known);
  const { rows: inner, columns: width } = shapeOf('blocks.0.up');
  requireSizes(weights, parts, { width, inner });
  const layers = parts.map((part) => readerOf(weights, part));
  return { width, depth: ups.length, expansion: inner / width, gated, layers };
}

/** A layer, of gated blocks out of two of the file: gate above up. */
interface Part extends Pick<DenseLayer, 'role' | 'place'> {
  readonly shapes: readonly LinearShape[];
}

function requireSizes(
  { path }: SafetensorsFile,
  parts: readonly Part[],
  { width, inner }: { readonly width: number; readonly inner: number },
): void {
  const fail = (what: string): never => {
    throw new DataError('compress', `${path}: ${what}`);
  };
  for (const { role, place, shapes } of parts) {
    for (const { stem, rows, columns } of shapes) {
      const outputs = place === 'up' ? inner : role === 'head' ? rows : width;
      const inputs = place === 'down' ? inner : role === 'input' ? columns : width;
      if (rows === outputs && columns === inputs) continue;
      fail(
        `${stem}.weight is [${rows}, ${columns}], where the blocks need [${outputs}, ${inputs}]`,
      );
    }
  }
  if (inner % width === 0) return;
  fail(`blocks of ${width} are ${inner} wide inside; a multiple of their width is needed`);
}

function readerOf(weights: SafetensorsFile, { role, place, shapes }: Part): DenseLayer {
  const columns = shapes[0]?.columns ?? 0;
  return {
    role,
    place,
    name: shapes.at(-1)?.stem ?? '',
    rows: shapes.reduce((sum, { rows }) => sum + rows, 0),
    columns,
    readWeight({ data }) {
      let first = 0;
      for (const { stem, rows } of shapes) {
        const end = first + rows * columns;
        weights.readFloat32(`${stem}.weight`, data.subarray(first, end));
        first = end;
      }
    },
    readBias: () =>
      Float32Array.from(
        shapes.flatMap(({ stem, rows, hasBias }) => [
          ...(hasBias ? weights.readFloat32(`${stem}.bias`) : new Float32Array(rows)),
        ]),
      ),
  };
}
