// On all numbers of ranks but 4, which losses.test.ts has.
import { goldenLosses } from './golden-losses.js';

goldenLosses(() => [1, 2, 8]);
