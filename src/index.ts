export * from './engines/index.js';
export * from './communicators/index.js';
export * from './data/index.js';
export * from './errors.js';
