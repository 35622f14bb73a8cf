// Bodies of requests for rows by name from a seed: half of them right; others have odd cells, of which
// `predict` decides, or are no such request.
import zlib from 'node:zlib';
import { HOUSES, KINDS } from '../../support/houses.js';
import { Dice, type FuzzedRequest, type Wanted } from './infer-bodies.js';

type Row = Record<string, unknown>;

/** The `index`-th request of a seed, to a model of houses. */
export function namedRequest(seed: number, index: number): FuzzedRequest {
  const dice = new Dice(seed, `rows ${index}`);
  const rows = rightRows(dice);
  if (dice.chance(0.5)) return request('right', asked(rows, dice), { kind: 'rows', rows }, dice);
  return dice.pick(CHANGES)(rows, dice);
}

function rightRows(dice: Dice): Row[] {
  const count = dice.chance(0.05) ? 1 + dice.integer(200) : 1 + dice.integer(5);
  const left = dice.pick([[], [], ['id'], ['price'], ['id', 'price']]);
  const more = dice.chance(0.1) ? { color: 'red', size: 7 } : {};
  const unknown = dice.chance(0.2);
  return Array.from({ length: count }, () => {
    const house = { ...dice.pick(HOUSES), ...more };
    const own = unknown && dice.chance(0.5) ? { kind: dice.pick(['castle', 'ünï', '', '"']) } : {};
    const entries = Object.entries({ ...house, ...own }).filter(([name]) => !left.includes(name));
    return Object.fromEntries(dice.chance(0.3) ? entries.toReversed() : entries);
  });
}

/** Both forms that a request may have. */
function asked(rows: readonly unknown[], dice: Dice): unknown {
  if (dice.chance(0.5)) return rows;
  return {
    ...(dice.chance(0.3) ? { id: dice.pick(['', 'one', 'ünï 🔑', '"\\']) } : {}),
    rows,
  };
}

function request(what: string, body: unknown, wanted: Wanted, dice: Dice): FuzzedRequest {
  const json = body instanceof Buffer ? body : Buffer.from(textOf(body, dice));
  const isPacked = dice.chance(0.2);
  return {
    what: `rows by name, ${what}`,
    route: dice.pick(['/v2/models/h/predict', '/v2/models/h/versions/2/predict']),
    headers: {
      'Content-Type': 'application/json',
      ...(isPacked ? { 'Content-Encoding': 'gzip' } : {}),
    },
    body: isPacked ? zlib.gzipSync(json) : json,
    pieces: dice.pick([null, null, 1 + dice.integer(50), 5000]),
    wanted,
  };
}

function textOf(body: unknown, dice: Dice): string {
  return typeof body === 'string' ? body : JSON.stringify(body, null, dice.pick([0, 0, 1]));
}

const ODD_CELLS = [
  ...[null, true, false, '', ' ', '?', 'NA', '12', '1,5', '-0', '1e999', 'x'.repeat(3000), '\0'],
  ...[0, -1, 1e39, -1e300, 1e-320, 2 ** 53, [], [1], {}, { sqft: 1 }, 'NaN', 'Infinity', '0x1'],
];
const NAMES = ['sqft', 'kind', 'age', 'id', 'price', 'color', '__proto__', 'constructor'];

type Change = (rows: Row[], dice: Dice) => FuzzedRequest;

const CHANGES: readonly Change[] = [
  // Odd cells.
  (rows, dice) => {
    for (let i = 1 + dice.integer(3); i > 0; i--) {
      dice.pick(rows)[dice.pick(NAMES.slice(0, 6))] = dice.pick(ODD_CELLS);
    }
    return request('odd cells', asked(rows, dice), { kind: 'rows', rows }, dice);
  },
  // Answers that are beyond float32.
  (rows, dice) => {
    dice.pick(rows)['sqft'] = dice.pick([3e38, -3e38, 1e38]);
    return request('overflow', asked(rows, dice), { kind: 'rows', rows }, dice);
  },
  // A column that is not there.
  (rows, dice) => {
    delete dice.pick(rows)[dice.pick(NAMES)];
    return request('a missing cell', asked(rows, dice), { kind: 'rows', rows }, dice);
  },
  // Rows that are none.
  (rows, dice) => {
    const odd = dice.pick([null, 7, 'x', [], [1, 2], true]);
    const all = [...rows.slice(1), odd, ...rows.slice(0, 1)];
    return request('a row that is none', asked(all, dice), { kind: 'refusal' }, dice);
  },
  (_rows, dice) => {
    const body = dice.pick([
      '',
      ' ',
      '[]',
      '{}',
      '7',
      'null',
      '{"rows":[]}',
      '{"rows":{}}',
      '[[]]',
    ]);
    return request(`the text ${body}`, body, { kind: 'refusal' }, dice);
  },
  (rows, dice) => {
    const body = Buffer.from(textOf(asked(rows, dice), dice));
    const cut = body.subarray(0, dice.integer(body.length));
    return request('cut', cut, { kind: 'refusal' }, dice);
  },
  (rows, dice) => {
    const body = Buffer.from(textOf(asked(rows, dice), dice));
    for (let i = 1 + dice.integer(3); i > 0; i--) {
      body[dice.integer(body.length)] = dice.integer(256);
    }
    return request('bytes', body, { kind: 'either' }, dice);
  },
  (rows, dice) => {
    const depth = 20 + dice.integer(20_000);
    const [open, close] = dice.pick([
      ['[', ']'],
      ['{"a":', '}'],
    ] as const);
    const deep = `${open.repeat(depth)}1${close.repeat(depth)}`;
    const row = JSON.stringify(rows[0]);
    const body = dice.pick([
      `{"rows":${deep}}`,
      `[${deep}]`,
      `[${row.slice(0, -1)},"${dice.pick(NAMES)}":${deep}}]`,
    ]);
    return request(`${depth} deep`, body, { kind: 'refusal' }, dice);
  },
  // Categories that are many and long.
  (rows, dice) => {
    for (const row of rows) row['kind'] = dice.pick([...KINDS, 'k'.repeat(dice.integer(10_000))]);
    return request('long categories', asked(rows, dice), { kind: 'rows', rows }, dice);
  },
  (rows, dice) => {
    const ghosts = dice.pick([0, -1, 99, 1.5, '1', [1]]);
    const body = { rows, parameters: { ghosts } };
    return request('ghosts', body, { kind: 'refusal' }, dice);
  },
];
