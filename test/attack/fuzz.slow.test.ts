import { fuzzSuite } from './support/fuzz-suite.js';

fuzzSuite(60_000, 40_000);
