import { goldenLosses } from './golden-losses.js';

/** `losses.slow.test.ts` has all on every number of ranks. */
goldenLosses((variant) => {
  return variant === 'phantom' ? [1, 4] : [4];
});
