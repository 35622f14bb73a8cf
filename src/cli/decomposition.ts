import { type GhostChoice, MINIMIZED } from '../compression/choices.js';
import type { CompressionReport, LayerErrors } from '../compression/compress.js';
import { plural } from '../base/format.js';
import { SETTINGS } from '../settings/keys.js';
import { UsageError } from './failure.js';
import { flagLike, type FlagTable, type FlagValues } from './flags.js';
import { formatTable } from './table.js';

/** How many ghosts a decomposition takes, and what it keeps nearest. */
export const DECOMPOSITION_FLAGS = {
  ghosts: flagLike(SETTINGS.ghosts, {
    about: 'ghosts per block, in all layers',
    initial: null,
  }),
  energy: {
    kind: 'number',
    placeholder: 'share',
    least: 0,
    above: true,
    most: 1,
    about: 'or: share of the squared off-diagonal weights to keep, layer by layer',
    initial: null,
  },
  budget: {
    kind: 'number',
    placeholder: 'bytes',
    least: 0,
    above: true,
    units: { '': 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9 },
    about: 'or: most bytes of weights, as in 4MB',
    initial: null,
  },
  data: flagLike(SETTINGS.data, {
    about: "keep the layers' outputs on this data nearest, and measure them and the network's",
    initial: null,
  }),
  minimize: {
    kind: 'choice',
    choices: MINIMIZED,
    nullable: true,
    about:
      'the error that the decomposition makes least; default: outputs with --data, else weights',
    initial: null,
  },
} as const satisfies FlagTable;

type Choice = Pick<FlagValues<typeof DECOMPOSITION_FLAGS>, 'ghosts' | 'energy' | 'budget'>;

/** null: none of the three flags.
 * @throws UsageError for several */
export function choiceOf({ ghosts, energy, budget }: Choice): GhostChoice | null {
  const given = [ghosts, energy, budget].filter((value) => value !== null);
  if (given.length > 1) {
    throw new UsageError('flags', 'give one of --ghosts, --energy and --budget; see --help');
  }
  if (ghosts !== null) return { by: 'ghosts', ghosts };
  if (energy !== null) return { by: 'energy', share: energy };
  return budget === null ? null : { by: 'budget', bytes: budget };
}

/** What the decomposition made least. */
export function minimized({ minimize, calibrationRows }: CompressionReport): string {
  if (minimize === 'weights') return 'error of the weights';
  return `error of the layers' outputs on ${plural(calibrationRows, 'training row')}`;
}

/** Errors of what was written, and beside them those of the plain decomposition. */
export function layerTable(layers: CompressionReport['layers'], width: number): string[] {
  const errors = ({ relativeError, outputError }: LayerErrors) => [
    relativeError.toExponential(2),
    ...(outputError === null ? [] : [outputError.toExponential(2)]),
  ];
  const [first] = layers;
  const measured = first !== undefined && first.outputError !== null;
  const titles = ['weights off by', ...(measured ? ['outputs off by'] : [])];
  const plain = first?.plain ? titles.map((title) => `${title}, plain`) : [];
  return formatTable(
    ['layer', 'ghosts', ...titles, ...plain],
    layers.map((layer) => [
      layer.name,
      String(layer.ghosts),
      ...errors(layer),
      ...(layer.plain === null ? [] : errors(layer.plain)),
    ]),
    width,
  );
}
