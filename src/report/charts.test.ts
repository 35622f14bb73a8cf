import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { chartFile } from './chart-file.js';
import { robustDomain } from './domain.js';
import { describeFigure, type Figure, tableOf } from './figure.js';
import { thin } from '../runs/thin.js';
import { formatValue } from '../base/format.js';

const HOSTILE = `</title><script>alert("1")</script>&'\u0000`;

/** Fails on unbalanced tags, bare ampersands and numbers that are none. */
function checkSvg(svg: string): void {
  const open: string[] = [];
  for (const [, end, name = '', closed] of svg.matchAll(
    /<(\/?)([a-zA-Z]+)(?:"[^"]*"|[^">])*?(\/?)>/g,
  )) {
    if (end) assert.equal(open.pop(), name);
    else if (!closed) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(svg, /="[^"]*NaN|undefined|<script/);
}

const lines = (points: readonly { x: number; y: number | null }[], scale: 'linear' | 'log') =>
  ({
    kind: 'lines',
    title: 't',
    x: { label: 'step' },
    y: { label: 'loss', scale },
    series: [{ label: 'a', points }],
  }) satisfies Figure;

describe('values with units', () => {
  const cases: [number, string, string][] = [
    [1234567, '', '1,234,567'],
    [0.4217, '', '0.4217'],
    [1530, 'J', '1.53 kJ'],
    [-0.02, 'J', '−20.0 mJ'],
    [0.034, 's', '34.0 ms'],
    [0.123, '%', '12.3%'],
    [Number.NaN, 'J', '–'],
  ];
  for (const [value, unit, text] of cases) {
    it(`${value} ${unit}: ${text}`, () => assert.equal(formatValue(value, unit), text));
  }
});

describe('axes', () => {
  it('hold every value where none is far out', () => {
    assert.deepEqual(
      robustDomain({ label: '' }, [
        [1, 4],
        [2, 9],
      ]),
      [1, 9],
    );
    assert.deepEqual(robustDomain({ label: '', fromZero: true }, [[3, 4]]), [0, 4]);
    assert.deepEqual(robustDomain({ label: '', scale: 'log' }, [[7]]), [3.5, 14]);
    assert.deepEqual(robustDomain({ label: '' }, []), [0, 1]);
  });

  it('are not stretched by a run that diverged, which an arrow with its value stands for', () => {
    const healthy = [2, 1.5, 0.7];
    const diverged = [2, 1e9, 1e18];
    for (const scale of ['linear', 'log'] as const) {
      const [, high] = robustDomain({ label: '', scale }, [healthy, diverged, healthy]);
      assert.equal(high, 2);
    }
    const points = (ys: readonly number[]) => ys.map((y, x) => ({ x, y }));
    const figure = lines([], 'log');
    const svg = chartFile({
      ...figure,
      series: [
        { label: 'fine', points: points(healthy) },
        { label: 'bad', points: points(diverged) },
        { label: 'well', points: points(healthy) },
      ],
    });
    assert.match(svg, /▲ bad: 1,000,000,000/);
    assert.doesNotMatch(svg, /1e18<\/text>/);
  });
});

describe('what is outside of an axis', () => {
  const far = (count: number, axis: object = {}, apart = false) => {
    const series = Array.from({ length: count }, (_, i) => ({
      label: `far ${i}`,
      points: [0, 1].map((x) => ({ x, y: 1000 + i })),
    }));
    const near = Array.from({ length: 9 }, (_, i) => ({
      label: `near ${i}`,
      points: [0, 1].map((x) => ({ x, y: 1 + 0.1 * i })),
    }));
    const y = { label: 'loss', ...axis };
    return chartFile({ ...lines([], 'linear'), y, apart, series: [...near, ...series] });
  };

  it('has a row each, and is counted where it is much', () => {
    assert.equal(far(3).match(/▲ far \d: 1,00\d/g)?.length, 3);
    const svg = far(7);
    assert.deepEqual(svg.match(/▲ far \d/g), ['▲ far 0', '▲ far 1', '▲ far 2']);
    assert.match(svg, /▲ 4 more beyond 1\.8/);
    const rows = [...svg.matchAll(/translate\(0,(\d+)\)[^>]*><text[^>]*>▲/g)];
    assert.deepEqual(
      rows.map(([, down]) => Number(down)),
      [8, 22, 36, 50],
    );
  });

  it('is said in the panel of its series where each has one', () => {
    const svg = far(3, {}, true);
    for (const name of ['near 0', 'near 8', 'far 0', 'far 2']) {
      assert.equal(svg.split(`>${name}</text>`).length, 2, name);
    }
    assert.deepEqual(svg.match(/▲ 1,00\d/g), ['▲ 1,000', '▲ 1,001', '▲ 1,002']);
    assert.doesNotMatch(svg, /▲ far|more beyond/);
  });

  it('is nothing where the whole is asked for', () => {
    assert.doesNotMatch(far(3, { whole: true }), /▲/);
  });
});

describe('charts', () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(0, -1, 1e-320, 1e308));
  const point = fc.record({ x: number, y: fc.option(number), low: number, high: number });
  const axis = fc.record({
    label: fc.string(),
    unit: fc.constantFrom('', 's', 'J', '%'),
    scale: fc.constantFrom('linear' as const, 'log' as const, 'log2' as const),
  });
  const series = fc.record({
    label: fc.string({ unit: 'binary' }),
    points: fc.array(point, { maxLength: 6 }),
    modelled: fc.boolean(),
  });

  it('are well formed whatever they are given', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('lines' as const, 'dots' as const),
        axis,
        axis,
        fc.array(series, { maxLength: 9 }),
        (kind, x, y, all) => checkSvg(chartFile({ kind, title: HOSTILE, x, y, series: all }, 320)),
      ),
      { numRuns: 40 },
    );
    const bars = [
      { label: HOSTILE, values: [1, null] },
      { label: 'x', values: [] },
    ];
    const parts = [HOSTILE, 'b'];
    checkSvg(chartFile({ kind: 'bars', title: HOSTILE, axis: 'time', unit: 's', parts, bars }));
    const rows = [
      {
        label: HOSTILE,
        intervals: [
          [0, 1, 2, 3],
          [0.5, 0.75],
        ],
      },
      { label: 'x', intervals: [] },
    ];
    for (const some of [rows, []]) {
      checkSvg(
        chartFile({
          ...{ kind: 'timeline', title: HOSTILE, axis: 'time', parts, beside: 1, rows: some },
        }),
      );
    }
  });

  it('draw measured marks filled and modelled ones hollow, and say so once', () => {
    const one = { label: 'x', points: [{ x: 1, y: 2 }] };
    const axes = {
      kind: 'dots' as const,
      title: 't',
      x: { label: 'ranks' },
      y: { label: 'energy', unit: 'J' },
    };
    const modelled: Figure = { ...axes, series: [{ ...one, modelled: true }] };
    assert.doesNotMatch(chartFile({ ...axes, series: [one] }), /fill="var\(--page\)"|modelled/);
    const svg = chartFile(modelled);
    assert.match(svg, /fill="var\(--page\)"/);
    assert.match(svg, /energy, modelled, J/);
    assert.match(describeFigure(modelled), /x \(modelled\): 2 J at 1\./);
    assert.deepEqual(tableOf(modelled).rows, [['x (modelled)', '1', '2 J']]);
  });

  it('stripe modelled bars and name them in the legend alone', () => {
    const bars = ['a', 'b'].map((label) => ({ label, values: [1], modelled: true }));
    const svg = chartFile({
      ...{ kind: 'bars', title: 't', axis: 'energy', unit: 'J', parts: ['p'], bars },
    });
    const [, drawing = ''] = svg.split('</desc>');
    assert.equal(drawing.match(/modelled/g)?.length, 1);
    assert.match(drawing, /url\(#hatch\)/);
  });

  it('keep the extremes of long curves', () => {
    const points = Array.from({ length: 10_000 }, (_, x) => ({ x, y: x === 5003 ? 99 : x % 7 }));
    const kept = thin(points, 450);
    assert.ok(kept.length <= 452 && kept.length > 200);
    assert.ok(kept.some(({ x, y }) => x === 5003 && y === 99));
    assert.ok(tableOf(lines(points, 'linear')).rows.length <= 25);
  });

  it('a timeline is the sum of each part in words and numbers', () => {
    const figure: Figure = {
      ...{ kind: 'timeline', title: 't', axis: 'time', parts: ['work', 'beside', 'rest'] },
      ...{ beside: 1, rows: [{ label: 'rank 0', intervals: [[0, 1, 2, 3], [0.5, 1], []] }] },
    };
    assert.deepEqual(tableOf(figure), {
      head: ['', 'work', 'beside', 'rest'],
      rows: [['rank 0', '2.00 s', '500 ms', '0 s']],
    });
    assert.match(describeFigure(figure), /^time\. rank 0: work 2.00 s, beside 500 ms, rest 0 s\.$/);
    const svg = chartFile(figure);
    assert.match(svg, />work<.*>beside</s);
    assert.doesNotMatch(svg, />rest</);
  });

  it('a bar of which nothing is known says so', () => {
    const figure: Figure = {
      ...{ kind: 'bars', title: 't', axis: 'energy', unit: 'J', parts: ['a', 'b'] },
      bars: [
        { label: 'known', values: [1, 2] },
        { label: 'unknown', values: [null, null] },
      ],
    };
    assert.deepEqual(tableOf(figure).rows, [
      ['known', '1 J', '2 J', '3 J'],
      ['unknown', 'not measured', 'not measured', 'not measured'],
    ]);
    assert.match(describeFigure(figure), /unknown: not measured\./);
  });
});
