import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parameterCount } from '../analysis/network-cost.js';
import type { NetworkSpecification } from './specification.js';
import { type EndChoices, endsFor, splitEnds } from './split-ends.js';

const AUTO: EndChoices = { input: 'auto', head: 'auto' };

function network(
  inputs: number,
  outputs: number,
  more: Partial<NetworkSpecification> = {},
): NetworkSpecification {
  const sizes = { strategy: 'phantom', width: 256, depth: 2, blocks: 4, ghosts: 8 } as const;
  const ends = { kind: 'replicated', inputs, outputs } as const;
  return { ...sizes, activation: 'relu', ends, ...more };
}

describe('ends that choose themselves', () => {
  it('are phantom where that is smaller and a whole one the largest layer', () => {
    const few = network(16, 10);
    assert.deepEqual(splitEnds(few, AUTO, 'mse'), {});
    const wide = network(4096, 10);
    const chosen = splitEnds(wide, AUTO, 'mse');
    assert.deepEqual(chosen, { input: 'phantom' });
    assert.ok(parameterCount({ ...wide, ...chosen }) < parameterCount(wide));
    const both = network(2000, 3000);
    assert.deepEqual(splitEnds(both, AUTO, 'mse'), { input: 'phantom', head: 'phantom' });
    // The logits of classes are needed whole.
    assert.deepEqual(splitEnds(both, AUTO, 'cross-entropy'), { input: 'phantom' });
    // As many ghosts as a block has: nothing is saved.
    assert.deepEqual(splitEnds(network(2000, 10, { ghosts: 64, width: 64 }), AUTO, 'mse'), {});
  });

  it('of a tensor strategy are gathered where that sends less, which no input does', () => {
    const tensor = (outputs: number) => network(4096, outputs, { strategy: 'tensor' });
    assert.deepEqual(splitEnds(tensor(256), AUTO, 'mse'), {});
    assert.deepEqual(splitEnds(tensor(257), AUTO, 'mse'), { head: 'gather' });
  });

  it('are as they were asked to be, and none where features are as wide as the layers', () => {
    const asked = { input: 'phantom', head: 'replicated' } as const;
    assert.deepEqual(splitEnds(network(16, 10), asked, 'mse'), { input: 'phantom' });
    const sharded = network(0, 0, { ends: { kind: 'sharded' } });
    assert.deepEqual(splitEnds(sharded, AUTO, 'mse'), {});
  });

  it('of another strategy are what serves that best', () => {
    const asked = { input: 'phantom', head: 'replicated' } as const;
    assert.deepEqual(endsFor('tensor', asked), { input: 'auto', head: 'replicated' });
    assert.deepEqual(endsFor('phantom', asked), asked);
  });
});
