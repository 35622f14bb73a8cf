import { fuzzFoldersSuite } from './support/fuzz-folders-suite.js';

fuzzFoldersSuite(20);
