import { goldenLosses } from './golden-losses.js';

goldenLosses((variant) => (variant === 'phantom' ? [1, 2, 4, 8] : [1, 4]));
