import { fuzzSuite } from './support/fuzz-suite.js';

fuzzSuite({ bodies: 120, named: 60, connections: 120 });
