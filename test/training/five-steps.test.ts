import { fiveSteps } from './five-steps.js';

fiveSteps('all pairs');
