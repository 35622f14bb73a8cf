// The numbers of ranks that losses.test.ts leaves out.
import { goldenLosses } from './golden-losses.js';

goldenLosses(() => [1, 2, 8]);
