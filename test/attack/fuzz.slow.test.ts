import { fuzzSuite } from './support/fuzz-suite.js';

fuzzSuite({ bodies: 40_000, named: 20_000, connections: 40_000 });
