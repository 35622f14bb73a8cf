import type { Operator } from '../autograd/operator.js';
import { BiasActivation } from './bias-activation/operator.js';
import type { BlockLayout } from './block-layout.js';
import { Dropout } from './dropout/operator.js';
import { Gated } from './gated/operator.js';
import type { LayerPart } from './part.js';
import { Residual } from './residual/operator.js';
import { RmsNorm } from './rms-norm/operator.js';
import { Rounded } from './rounded/operator.js';
import { Join, Split } from './spread/operator.js';

/** The operator of a part on one rank. */
export function partOperator({ name, operator }: LayerPart, layout: BlockLayout): Operator {
  switch (operator.type) {
    case 'activation': {
      const { activation, written, gradient } = operator;
      return new BiasActivation(name, activation, written, gradient);
    }
    case 'gate':
      return new Gated(name, operator.activation, operator.gradient);
    case 'dropout': {
      const { rate, layer, blockRows } = operator;
      return new Dropout(name, { rate, layer, firstRow: layout.firstBlock * blockRows });
    }
    case 'rms norm':
      return new RmsNorm(name, operator.features, operator.spread, layout);
    case 'residual':
      return new Residual(name, operator.gradient);
    case 'rounded':
      return new Rounded(name);
    case 'join':
      return new Join(name, layout);
    case 'split':
      return new Split(name, layout);
  }
}
