export * from './engines/index.js';
export * from './communicators/index.js';
