import { goldenLosses } from './golden-losses.js';

/** `losses.slow.test.ts` has all on every number of ranks. */
goldenLosses((variant) => {
  if (variant === 'phantom') return [1, 2, 4, 8];
  return variant.startsWith('tensor') && variant.includes('computed') ? [4] : [1, 4];
});
