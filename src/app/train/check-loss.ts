import { ConfigError } from '../../base/errors.js';
import type { AnswerShape, Dataset } from '../../data/dataset.js';
import type { TableSchema } from '../../data/tables/schema.js';
import { isOfClasses, type LossName } from '../../layers/loss-names.js';

/** The loss where nothing is said. */
export function usualLoss(answers: AnswerShape, schema: TableSchema | null): LossName {
  if (schema?.task === 'multilabel') return 'binary-cross-entropy';
  return answers.kind === 'labels' ? 'cross-entropy' : 'mse';
}

/** @throws ConfigError when a loss is not of what the data have */
export function checkLoss(loss: LossName, data: Dataset, schema: TableSchema | null): void {
  const { name, answers } = data;
  if (isOfClasses(loss) && answers.kind !== 'labels') {
    throw new ConfigError(
      'loss',
      `${loss} needs integer labels, ${name} has ${answers.width} numbers per row; use --loss mse`,
    );
  }
  if (answers.kind === 'labels' && !isOfClasses(loss) && loss !== 'mse') {
    throw new ConfigError(
      'loss',
      `${loss} is not of classes, which ${name} has; use --loss cross-entropy, or for a table --task regress`,
    );
  }
  const isMultilabel = schema === null ? answers.kind === 'values' : schema.task === 'multilabel';
  if (
    isMultilabel
      ? schema !== null && loss !== 'binary-cross-entropy'
      : loss === 'binary-cross-entropy'
  ) {
    throw new ConfigError(
      'loss',
      `${loss} with ${name}; --task multilabel and binary-cross-entropy go together, for columns of yes or no`,
    );
  }
  const values = data.kind === 'table' && data.answers.kind === 'values' ? data.answers.values : [];
  const odd =
    loss === 'binary-cross-entropy'
      ? values.find((value) => value !== 0 && value !== 1)
      : undefined;
  if (odd !== undefined) {
    throw new ConfigError('loss', `${loss} needs zeros and ones, ${name} has ${odd}`);
  }
}

/** @throws ConfigError when what are to be rates go below 0, or were scaled for another loss */
export function checkRates(loss: LossName, data: Dataset, schema: TableSchema | null): void {
  if (loss !== 'poisson') return;
  const scaled = schema?.targets.find((target) => target.kind === 'number' && target.mean !== 0);
  if (scaled !== undefined) {
    const what = `poisson with a model whose ${scaled.name} was standardized for another loss`;
    throw new ConfigError('loss', `${what}; start from random weights`);
  }
  const values = data.kind === 'table' && data.answers.kind === 'values' ? data.answers.values : [];
  const least = values.find((value) => value < 0);
  if (least !== undefined) {
    throw new ConfigError(
      'loss',
      `poisson predicts numbers of at least 0; ${data.name} has ${least}`,
    );
  }
}
