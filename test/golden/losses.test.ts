import { goldenLosses } from './golden-losses.js';

/** `losses.slow.test.ts` has all on the other numbers of ranks. */
goldenLosses((variant) => {
  return variant === 'phantom' ? [1, 4] : [2];
});
