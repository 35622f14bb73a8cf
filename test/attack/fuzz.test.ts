import { fuzzSuite } from './support/fuzz-suite.js';

fuzzSuite({ bodies: 250, named: 100, connections: 250 });
