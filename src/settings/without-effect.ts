import { exchangesGhosts } from '../layers/strategies.js';
import { isOfClasses, type LossName } from '../layers/loss-names.js';
import type { NetworkSpecification } from '../model/specification.js';
import { hasHorizon } from '../optimizers/schedule.js';
import { OPTIMIZERS } from '../optimizers/optimizer-list.js';
import { flagOf, type SettingKey } from './keys.js';
import type { TrainingSettings } from './settings.js';

/** What is known of a run besides its settings. */
export interface RunFacts {
  readonly network: Pick<NetworkSpecification, 'depth' | 'ends' | 'residual'>;
  readonly loss: LossName;
  readonly steps: number;
  /** null: without end. */
  readonly trainingRows: number | null;
  readonly validationRows: number;
  readonly isTable: boolean;
  /** Whether V8 is asked to make plain WebAssembly kernels twice as wide. */
  readonly widensKernels: boolean;
}

/** Why a setting that was given does nothing in a run; null: it does something. */
type Rule = (settings: TrainingSettings, facts: RunFacts) => string | null;

const unless = (does: boolean, why: string) => (does ? null : `has no effect: ${why}`);
const ofGhosts: Rule = ({ strategy }) =>
  unless(exchangesGhosts(strategy), `strategy ${strategy} has no ghosts`);
const ofAdam: Rule = ({ optimizer }) =>
  unless(optimizer.startsWith('adam'), `optimizer ${optimizer} has no such constant`);
const ofLoss =
  (does: (loss: LossName) => boolean): Rule =>
  (_, { loss }) =>
    unless(does(loss), `loss ${loss} does not use it`);
const ofPlateau: Rule = ({ schedule }) =>
  unless(schedule === 'plateau', `schedule ${schedule} does not use it`);
const ofValidation: Rule = (_, { validationRows }) =>
  unless(validationRows > 0, 'nothing is validated; give --validation 0.1');

const ofTables: Rule = (_, { isTable }) => unless(isTable, 'the data are no table');
const OF_TABLES = [
  ...(['target', 'ignore', 'categorical', 'id', 'header', 'decimal'] as const),
  ...(['missing', 'bins', 'dataMemory', 'dataCache'] as const),
] satisfies SettingKey[];

/** The rule beside each setting that some runs do not use. */
const RULES: Readonly<Partial<Record<SettingKey, Rule>>> = {
  ghosts: ofGhosts,
  ghostPrecision: ofGhosts,
  ghostActivation: ofGhosts,
  dropout: ({ dropout }, { network: { depth, ends, residual } }) =>
    unless(
      dropout === 0 || depth > 1 || ends.kind === 'replicated' || residual !== undefined,
      'a single layer with sharded ends has no hidden activation; give --depth 2 or more',
    ),
  devices: ({ engine }) => unless(engine === 'cuda', `engine ${engine} has no devices`),
  relaxedSimd: ({ relaxedSimd }, { widensKernels }) =>
    relaxedSimd && widensKernels
      ? 'gains nothing on Node 24 and newer, where plain kernels are compiled twice as wide'
      : null,
  recompute: ({ recompute }, { network: { depth } }) =>
    unless(
      recompute === 0 || depth > 2 * recompute,
      `the activations of the last ${2 * recompute} layers are there anyway, and there are ${depth}`,
    ),
  task: (_, { isTable, trainingRows }) =>
    unless(isTable || trainingRows !== null, 'the rows are generated'),
  huberDelta: ofLoss((loss) => loss === 'huber'),
  quantiles: ofLoss((loss) => loss === 'quantile'),
  labelSmoothing: ofLoss((loss) => isOfClasses(loss) || loss === 'binary-cross-entropy'),
  momentum: ({ optimizer }) =>
    unless(
      (OPTIMIZERS[optimizer].states as readonly string[]).includes('velocity'),
      `optimizer ${optimizer} has no momentum; adam and adamw have --beta1`,
    ),
  beta1: ofAdam,
  beta2: ofAdam,
  epsilon: ofAdam,
  plateauFactor: ofPlateau,
  plateauPatience: ofPlateau,
  schedule: (settings, facts) =>
    settings.schedule === 'plateau' ? ofValidation(settings, facts) : null,
  earlyStopping: ofValidation,
  bestBy: ofValidation,
  validateEvery: ofValidation,
  warmup: ({ warmup }, { steps }) =>
    warmup < steps ? null : `is as long as the run of ${steps} steps: the rate never reaches --lr`,
  scheduleSteps: ({ schedule }) =>
    unless(hasHorizon(schedule), `schedule ${schedule} does not depend on the length of the run`),
  keepCheckpoints: ({ checkpointEvery }) =>
    unless(
      checkpointEvery !== null,
      'checkpoints are written at the end alone; give --checkpoint-every',
    ),
  shuffle: ({ shuffle }, { trainingRows }) =>
    unless(shuffle || trainingRows !== null, 'generated rows have no order'),
  ...Object.fromEntries(OF_TABLES.map((key) => [key, ofTables])),
};

/**
 * A line for each given setting that does nothing, or not what it seems to, in this run.
 *
 * @param given keys that somebody gave; a default that does nothing is not worth a word
 */
export function withoutEffect(
  given: ReadonlySet<string>,
  settings: TrainingSettings,
  facts: RunFacts,
): string[] {
  return Object.entries(RULES).flatMap(([key, rule]) => {
    const why = given.has(key) ? rule(settings, facts) : null;
    const value = settings[key as SettingKey];
    return why === null ? [] : [`${flagOf(key)} ${value} ${why}`];
  });
}
