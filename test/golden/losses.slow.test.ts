// On the numbers of ranks that losses.test.ts leaves out, and on one.
import { goldenLosses } from './golden-losses.js';

goldenLosses((variant) => (variant === 'phantom' ? [1, 2, 8] : [1, 4, 8]));
