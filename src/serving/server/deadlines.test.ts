import assert from 'node:assert/strict';
import { it, mock } from 'node:test';
import { Deadlines } from './deadlines.js';

it('deadlines tell each item that was not ended in its time, once', (t) => {
  let now = 0;
  mock.method(performance, 'now', () => now);
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
  const pass = (ms: number) => {
    now += ms;
    mock.timers.tick(ms);
  };
  const late: string[] = [];
  const deadlines = new Deadlines<string>(100, (item) => late.push(item));
  deadlines.begin('first');
  pass(40);
  deadlines.begin('second');
  deadlines.begin('ended');
  pass(59);
  assert.deepEqual(late, []);
  pass(1);
  assert.deepEqual(late, ['first']);
  deadlines.end('ended');
  pass(40);
  assert.deepEqual(late, ['first', 'second']);
  pass(500);
  deadlines.begin('after a pause');
  pass(99);
  assert.deepEqual(late, ['first', 'second']);
  pass(1);
  assert.deepEqual(late, ['first', 'second', 'after a pause']);
});
