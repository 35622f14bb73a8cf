import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DOORS } from '../support/doors.js';

const SRC = fileURLToPath(new URL('../../../src/', import.meta.url));
const DIST = fileURLToPath(new URL('../../../dist/', import.meta.url));

/** The floors from the ground up, and the rooms on each: a room knows rooms of lower floors only. */
const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['tensor'],
  ['native', 'data', 'machine', 'metrics'],
  ['engines', 'communicators', 'energy'],
  ['autograd'],
  ['optimizers'],
  ['layers'],
  ['model'],
  ['analysis'],
  ['calibration'],
  ['settings'],
  ['checkpoints'],
  ['models'],
  ['training', 'compression', 'export', 'serving'],
  ['runs', 'launch'],
  ['report'],
  ['app/data', 'app/ranks'],
  [
    'app/train',
    'app/evaluate',
    'app/convert',
    'app/infer',
    'app/calibrate',
    'app/plan',
    'app/watch',
    'app/inspect',
    'app/init',
    'app/doctor',
  ],
  ['app/compare'],
  ['doors'],
  ['cli'],
];

/** Implementations of the contracts of engines, communicators and meters. */
const CONCRETE = [
  'engines/blas/',
  'engines/cuda/',
  'engines/wasm/',
  'engines/counting/',
  'engines/pieces/',
  'communicators/threads/',
  'communicators/recording/',
  'communicators/staged/',
  'communicators/mpi/',
  'energy/rapl.ts',
  'energy/hwmon.ts',
  'energy/gpu/',
  'energy/process-tree.ts',
];

/** What wraps native libraries: the only files that know them. */
const WRAPPERS = [
  'engines/blas/',
  'engines/cuda/',
  'communicators/threads/threads-worker.ts',
  'communicators/mpi/',
  'energy/gpu/',
  'compression/lapack-svd.ts',
];

/** What computes, for the rule of analysis. */
const COMPUTING = new Set(['native', 'data', 'engines', 'communicators', 'energy', 'autograd']);

/** Lists in rooms that compute: names and numbers alone, so that they import nothing. */
const LISTS = ['engines/activations', 'engines/element-losses'];

const files = (readdirSync(SRC, { recursive: true }) as string[])
  .map((file) => file.split(path.sep).join('/'))
  .filter((file) => file.endsWith('.ts') && !file.includes('.test.'));

/** Files of src that a file names: imports of values and of types, on loading or later, and
 * modules that it starts as workers. */
const imports = new Map(files.map((file) => [file, importsOf(file)]));

function importsOf(file: string): readonly string[] {
  const text = readFileSync(path.join(SRC, file), 'utf8');
  const found = text.matchAll(/(?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*'(\.[^']+\.js)'/g);
  return [...found].map(([, specifier = '']) => {
    const stem = path.posix.join(path.posix.dirname(file), specifier).replace(/\.js$/, '');
    // What the build bundles has its types here alone.
    const target = [`${stem}.ts`, `${stem}.d.ts`].find((each) => files.includes(each)) ?? stem;
    assert.ok(files.includes(target), `${file} names ${specifier}, which is not in src`);
    return target;
  });
}

/** Compiled modules that one loads: types are gone from it. */
function loadedBy(file: string): readonly string[] {
  const text = readFileSync(path.join(DIST, file), 'utf8');
  const found = text.matchAll(/^(?:import|export)\b[^;]*?'(\.[^']+\.js)';$/gm);
  return [...found].map(([, specifier = '']) =>
    path.posix.join(path.posix.dirname(file), specifier),
  );
}

/** Files that those of a room reach, each with the one that names it. */
function reachable(
  room: string,
  named: (file: string) => readonly string[],
): [file: string, by: string][] {
  const ending = named === loadedBy ? '.js' : '.ts';
  const reached = new Map<string, string>();
  const reach = (file: string, by: string): void => {
    if (reached.has(file)) return;
    reached.set(file, by);
    for (const each of named(file)) reach(each, file);
  };
  for (const file of files.filter((each) => each.startsWith(room))) {
    reach(file.replace(/\.ts$/, ending), '');
  }
  return [...reached];
}

/** Of a layer, a part or a loss, the list of all of them, or what they are made of. */
function isOperator(file: string): boolean {
  return /^layers\/([\w-]+\/(operator|kind)|kinds|part-operators|losses|block-sum|encoded-return)\.[jt]s$/.test(
    file,
  );
}

function roomOf(file: string): string {
  const [first = '', second] = file.split('/');
  if (second === undefined) return 'doors';
  return first === 'app' ? `app/${second}` : first;
}

function within(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => file.startsWith(folder));
}

/** Arrows of which a rule says that they must not be. */
function broken(forbids: (from: string, to: string) => boolean): string[] {
  return [...imports].flatMap(([from, targets]) =>
    targets.filter((to) => forbids(from, to)).map((to) => `${from} → ${to}`),
  );
}

describe('who may import whom', () => {
  it('has no two files of one name, but for those that every kind of layer has and doors', () => {
    const named = files.filter((file) => !/^(layers|doors)\//.test(file));
    const names = named.map((file) => path.posix.basename(file));
    assert.deepEqual(
      named.filter((_, i) => names.indexOf(names[i] ?? '') !== names.lastIndexOf(names[i] ?? '')),
      [],
    );
  });

  it('every file is in a room of a floor', () => {
    const known = new Set(FLOORS.flat());
    const unknown = files.filter((file) => !known.has(roomOf(file)));
    assert.deepEqual(unknown, []);
  });

  it('a room knows rooms of lower floors only', () => {
    const floor = new Map(FLOORS.flatMap((rooms, i) => rooms.map((room) => [room, i] as const)));
    const floorOf = (file: string) => floor.get(roomOf(file)) ?? Number.NaN;
    const up = broken((from, to) => roomOf(from) !== roomOf(to) && floorOf(to) >= floorOf(from));
    assert.deepEqual(up, []);
  });

  it('no files import one another in a circle', () => {
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (file: string, way: readonly string[]): void => {
      if (way.includes(file)) {
        circles.push([...way.slice(way.indexOf(file)), file].join(' → '));
      } else if (!done.has(file)) {
        for (const target of imports.get(file) ?? []) walk(target, [...way, file]);
        done.add(file);
      }
    };
    for (const file of files) walk(file, []);
    assert.deepEqual(circles, []);
  });

  it('concrete engines, communicators and meters meet in app/ranks, and in the doors', () => {
    const wrong = broken(
      (from, to) =>
        within(to, CONCRETE) && ![roomOf(to), 'app/ranks', 'doors'].includes(roomOf(from)),
    );
    assert.deepEqual(wrong, []);
  });

  it('nothing but its wrappers knows native libraries', () => {
    const wrong = broken(
      (from, to) => within(to, ['native/']) && roomOf(from) !== 'native' && !within(from, WRAPPERS),
    );
    assert.deepEqual(wrong, []);
  });

  it('analysis names nothing that computes', () => {
    const wrong = broken((from, to) => roomOf(from) === 'analysis' && COMPUTING.has(roomOf(to)));
    assert.deepEqual(wrong, []);
  });

  it('analysis loads no operator and nothing that computes, by whatever way', () => {
    const loaded = reachable('analysis/', loadedBy);
    const wrong = loaded.filter(
      ([file]) =>
        (COMPUTING.has(roomOf(file)) && !LISTS.includes(file.replace('.js', ''))) ||
        isOperator(file),
    );
    assert.deepEqual(wrong, []);
    assert.ok(loaded.some(([file]) => file === 'layers/phantom/program.js'));
    assert.deepEqual(
      LISTS.flatMap((list) => loadedBy(`${list}.js`)),
      [],
    );
  });

  it('nor does it name an operator by a type, by whatever way', () => {
    const wrong = reachable('analysis/', (file) => imports.get(file) ?? []).filter(([file]) =>
      isOperator(file),
    );
    assert.deepEqual(wrong, []);
  });

  it('importing the package has no effect', async () => {
    const before = new Set(process.getActiveResourcesInfo());
    for (const door of DOORS) await import(door);
    assert.deepEqual(
      process.getActiveResourcesInfo().filter((resource) => !before.has(resource)),
      [],
    );
  });
});
