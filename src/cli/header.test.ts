import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveSettings } from '../settings/resolve.js';
import type { StartEvent } from '../training/events.js';
import { headerPairs } from './header.js';

test('a table without rows to validate on says how to hold some back', () => {
  const header = (validation: number | null, start: Partial<StartEvent>) => {
    const settings = resolveSettings([{ where: 'test', settings: { validation } }]);
    const event = { from: null, table: 'predicts y', notes: [], validationRows: 0, ...start };
    return headerPairs(settings, event as unknown as StartEvent)
      .flat()
      .join('\n');
  };
  assert.match(header(null, {}), /--validation 0\.1 holds back/);
  assert.doesNotMatch(header(null, { validationRows: 3 }), /--validation/);
  assert.doesNotMatch(header(null, { table: null }), /--validation/);
});

test('a run that starts from weights says which', () => {
  const settings = resolveSettings([{ where: 'test', settings: {} }]);
  const pairs = (from: string | null) =>
    headerPairs(settings, { from, table: null, notes: [] } as unknown as StartEvent);
  assert.deepEqual(
    pairs('runs/a (step 4, best)').find(([name]) => name === 'from'),
    ['from', 'runs/a (step 4, best)'],
  );
  assert.ok(!pairs(null).some(([name]) => name === 'from'));
});
