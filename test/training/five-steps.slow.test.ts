import { fiveSteps } from './five-steps.js';

fiveSteps('the others');
