import { describe } from 'node:test';
import { sameNetwork } from './replicas.js';

describe('D replicas of R ranks', () => {
  for (const strategy of ['tensor', 'tensor-paired'] as const) sameNetwork(strategy);
});
