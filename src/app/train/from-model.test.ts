import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it, type TestContext } from 'node:test';
import { USUAL_LOSS } from '../../layers/loss-names.js';
import { writeModel } from '../../models/model-folder.js';
import type { GivenSettings } from '../../settings/given.js';
import { resolveSettings } from '../../settings/resolve.js';
import { withModel } from './from-model.js';

it('keeps how the ghosts of a model travel, unless another compute is asked for', (context: TestContext) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'from-model-'));
  context.after(() => {
    rmSync(folder, { recursive: true });
  });
  const from = path.join(folder, 'model');
  const about = { lossOptions: USUAL_LOSS, standardization: null, schema: null, source: {} };
  const specification = {
    ...({ strategy: 'phantom', width: 8, depth: 2, blocks: 2, ghosts: 2 } as const),
    ...({ activation: 'relu', ends: { kind: 'sharded' }, ghostPrecision: 'int8' } as const),
  };
  writeModel(from, { specification, loss: 'mse', ...about }, []);
  const precision = (...given: GivenSettings[]) => {
    const sources = [{ from }, ...given].map((settings) => ({ where: 'flags', settings }));
    return resolveSettings(withModel(sources)).ghostPrecision;
  };
  assert.equal(precision(), 'int8');
  assert.equal(precision({ compute: 'float32' }), 'int8');
  assert.equal(precision({ compute: 'tf32' }), 'int8');
  assert.equal(precision({ compute: 'bfloat16' }), 'bfloat16');
  assert.equal(precision({ compute: 'bfloat16' }, { compute: 'float32' }), 'int8');
  assert.equal(precision({ compute: 'float32', ghostPrecision: 'float32' }), 'float32');
});
