import { operandsIn } from '../engines/compute.js';
import { canBeSharded } from '../layers/loss-names.js';
import type { Launcher } from '../communicators/launcher.js';
import { availableCores } from '../base/cores.js';
import { ConfigError } from '../base/errors.js';
import { exchangesGhosts } from '../layers/strategies.js';
import { validateRanks, validateSpecification, widthsOf } from '../model/specification.js';
import { NESTED_MICRO_BATCHES } from '../model/nested-ghosts.js';
import { networkOf } from './network-settings.js';
import { SETTING_KEYS, SETTINGS } from './keys.js';
import type { GivenSettings } from './given.js';
import type { TrainingSettings } from './settings.js';

/** Settings and where they were given, for messages: a file, `flags`. */
export interface SettingsSource {
  readonly where: string;
  readonly settings: GivenSettings;
}

export const DEFAULT_EPOCHS = 5;

/** The most ranks that divide the blocks evenly and have a core each. */
export function defaultRanks(blocks: number, cores: number = availableCores()): number {
  let ranks = Math.max(1, Math.min(blocks, cores));
  while (blocks % ranks !== 0) ranks--;
  return ranks;
}

/**
 * Puts sources together, the later over the earlier, and fills in what nobody set.
 *
 * @param launcher what started this process as a rank of a job, and so sets the number of ranks
 * @throws ConfigError when the values do not fit one another
 */
export function resolveSettings(
  sources: readonly SettingsSource[],
  launcher: Pick<Launcher, 'name' | 'size'> | null = null,
): TrainingSettings {
  const given: GivenSettings = {};
  for (const { where, settings } of sources) {
    if (typeof settings.steps === 'number' && typeof settings.epochs === 'number') {
      throw new ConfigError(
        where,
        `steps ${settings.steps} and epochs ${settings.epochs}; a run has one of the two lengths`,
      );
    }
    // A length in steps replaces one in epochs that an earlier source gave, and the other way.
    if (typeof settings.steps === 'number') given.epochs = null;
    if (typeof settings.epochs === 'number') given.steps = null;
    for (const [key, value] of Object.entries(settings)) {
      if (value !== undefined) Object.assign(given, { [key]: value });
    }
  }

  const initial = Object.fromEntries(SETTING_KEYS.map((key) => [key, SETTINGS[key].initial]));
  const merged = { ...(initial as unknown as TrainingSettings), ...given };
  const settings: TrainingSettings = {
    ...merged,
    ...sizesOf(given, merged),
    epochs: merged.steps === null && merged.epochs === null ? DEFAULT_EPOCHS : merged.epochs,
    ghosts:
      given.ghosts ??
      Math.max(...(given.layerGhosts ?? [clampedGhosts({ ...merged, ...sizesOf(given, merged) })])),
    // The usual gate.
    activation: given.activation ?? (merged.gated ? 'silu' : merged.activation),
    ghostPrecision:
      given.ghostPrecision ??
      (exchangesGhosts(merged.strategy) ? operandsIn(merged.compute) : 'float32'),
    accumulate: given.accumulate ?? (merged.nestedGhosts ? NESTED_MICRO_BATCHES : 1),
    ranks: ranksOf(given, merged, launcher),
  };
  checkTogether(settings);
  return settings;
}

function ranksOf(
  { ranks }: GivenSettings,
  { blocks, replicas, engine, devices }: TrainingSettings,
  launcher: Pick<Launcher, 'name' | 'size'> | null,
): number {
  // One device does the work of all blocks of its rank at once: cores say nothing of it.
  const usual = () =>
    engine === 'cuda'
      ? Math.max(1, Math.floor((devices?.length ?? 1) / replicas))
      : defaultRanks(blocks);
  if (launcher === null) return ranks ?? usual();
  const { name, size } = launcher;
  if (ranks === undefined && size % replicas === 0) return size / replicas;
  if (ranks !== undefined && ranks * replicas === size) return ranks;
  const wanted = ranks === undefined ? '' : `ranks ${ranks}, `;
  throw new ConfigError(
    'settings',
    `${wanted}replicas ${replicas}, and ${name} started ${size} processes; processes are ranks × ` +
      'replicas: leave ranks out, or start as many',
  );
}

/** Widths say width and depth. */
function sizesOf(
  given: GivenSettings,
  { width, depth, widths }: TrainingSettings,
): Pick<TrainingSettings, 'width' | 'depth'> {
  if (widths === null) return { width, depth };
  return { width: given.width ?? Math.max(...widths), depth: given.depth ?? widths.length - 1 };
}

/** The default number of ghosts must not be what makes a narrow network fail. */
function clampedGhosts({ ghosts, blocks, ...sizes }: TrainingSettings): number {
  const entering = widthsOf({ ...sizes, widths: sizes.widths ?? undefined }).slice(0, sizes.depth);
  const narrowest = Math.min(...entering);
  return Math.max(1, Math.min(ghosts, Math.floor(narrowest / blocks)));
}

function checkTogether(settings: TrainingSettings): void {
  const { batch, accumulate } = settings;
  // Whether the ends are sharded depends on the data; sizes of the layers do not.
  validateSpecification(networkOf(settings, settings.strategy, { kind: 'sharded' }));
  validateRanks(settings.blocks, settings.ranks);
  if (batch % accumulate !== 0) {
    const below = Math.floor(batch / accumulate) * accumulate;
    const fits = [below, below + accumulate].filter((fit) => fit > 0).join(' and ');
    throw new ConfigError(
      'settings',
      `batch ${batch} does not divide into ${accumulate} micro-batches (accumulate); ` +
        `the nearest batches that fit: ${fits}`,
    );
  }
  if (settings.bins === 1) {
    throw new ConfigError('settings', 'bins 1, which is the number itself; use 0, or 2 to 1024');
  }
  if (settings.nestedGhosts) checkNested(settings);
  if (settings.bestBy === null) checkUnjudged(settings);
  const { architecture, norm, expansion, gated } = settings;
  if (architecture === 'plain' && (norm !== null || expansion !== null || gated)) {
    const sized = norm === null ? `expansion ${expansion}` : `norm ${norm}`;
    const given = gated ? 'gated' : sized;
    throw new ConfigError(
      'settings',
      `${given} with architecture plain, which has none; use architecture residual`,
    );
  }
  if (settings.ends === 'sharded' && settings.loss !== null && !canBeSharded(settings.loss)) {
    throw new ConfigError(
      'settings',
      `${settings.loss} with sharded ends; it needs all outputs of a sample, and ranks hold a part: ` +
        'set loss mse, mae, huber or poisson, or ends replicated',
    );
  }
}

/** What follows validations needs to know which is the best. */
function checkUnjudged({ earlyStopping, schedule }: TrainingSettings): void {
  if (earlyStopping === null && schedule !== 'plateau') return;
  const what = earlyStopping === null ? 'schedule plateau' : `early stopping ${earlyStopping}`;
  throw new ConfigError('settings', `${what} with best-by none; leave best-by none out`);
}

function checkNested({ strategy, ghosts, accumulate }: TrainingSettings): void {
  if (!exchangesGhosts(strategy)) {
    throw new ConfigError(
      'settings',
      `nested ghosts with strategy ${strategy}, which has no ghosts; use strategy phantom`,
    );
  }
  if (ghosts < 2) {
    throw new ConfigError('settings', 'nested ghosts need at least 2 ghosts; here is 1');
  }
  if (accumulate < 2) {
    throw new ConfigError(
      'settings',
      'nested ghosts need accumulate of at least 2: one micro-batch with all ghosts, one with 1',
    );
  }
}
