import { fuzzFilesSuite } from './support/fuzz-files-suite.js';

fuzzFilesSuite(350);
