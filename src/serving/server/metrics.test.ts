import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics } from './metrics.js';

const meter = {
  read: () => ({ energyJ: 5, obtained: 'modelled' }),
} as unknown as Parameters<typeof createMetrics>[1];

describe('metrics', () => {
  it('are named as Prometheus asks: counters, and nothing else, end in _total, units are SI', async () => {
    const metrics = createMetrics(() => [{ name: 'm', ready: true, queuedRows: 2 }], meter);
    metrics.request('m', { rows: 4, queueS: 0.1, computeS: 0.2, totalS: 0.3 });
    metrics.failure('m', 'overflow');
    metrics.batch('m', { rows: 4, computeS: 0.2, exposedS: 0 });
    metrics.reload('m', true);
    const text = await metrics.text();
    const types = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name = '', type]) => ({
      name,
      type,
    }));
    assert.ok(types.length > 12, text);
    for (const { name, type } of types) {
      assert.equal(name.endsWith('_total'), type === 'counter', name);
      assert.match(name, /^(phantom|process)_[a-z]+(_[a-z]+)*$/);
      assert.doesNotMatch(
        name,
        /(_count|_sum|_bucket|_info)$|_(ms|milliseconds|kb|mib|watts?)(_|$)/,
      );
      assert.doesNotMatch(name, /counter|gauge|histogram|summary/);
      assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
    }
    assert.match(text, /^phantom_energy_joules_total\{obtained="modelled"\} 5$/m);
    assert.match(await metrics.text(), /^phantom_energy_joules_total\{obtained="modelled"\} 5$/m);
  });
});
