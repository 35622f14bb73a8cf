import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

describe('the package', () => {
  it('exports at most 40 names from its root, each by name', () => {
    const file = new URL('../../../src/index.ts', import.meta.url);
    const text = readFileSync(file, 'utf8').replaceAll(/\/\*\*[^]*?\*\//g, '');
    const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '[^']+';\n/gm)];
    assert.equal(lists.map(([all]) => all).join(''), text.trimStart());
    const names = lists.flatMap(([, list = '']) => list.split(',').filter((name) => name.trim()));
    assert.ok(names.length > 20 && names.length <= 40, `${names.length} names`);
  });
});
