import { fuzzSuite } from './support/fuzz-suite.js';

fuzzSuite(300, 300);
