import type { ServeOptions } from '#src/app/infer/serve.js';

/** Settings of a server for tests, of one rank; they name its models and change what they are about. */
export const SERVE_SETTINGS: ServeOptions = {
  models: [],
  host: '127.0.0.1',
  port: 0,
  ranks: 1,
  engine: 'wasm',
  maxBatch: 8,
  ghosts: null,
  maxDelayMs: 0,
  maxQueue: 64,
  timeoutMs: 5000,
  maxBodyMib: 1,
  maxAnswerMib: 4,
  maxMemoryMib: null,
  allowHosts: [],
  allowControl: true,
  token: null,
  reloadEveryS: 0,
};
