import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { chartFile, lineChart, scatterChart, stackedBars } from './charts.js';
import { escapeText, markup } from './markup.js';
import { createScale } from './scale.js';
import { formatValue } from '../base/format.js';

const HOSTILE = `</title><script>alert("1")</script>&'\u0000`;

/** Fails on unbalanced tags, bare ampersands and numbers that are none. */
function checkSvg(svg: string): void {
  const open: string[] = [];
  for (const [, end, name = '', closed] of svg.matchAll(
    /<(\/?)([a-z]+)(?:"[^"]*"|[^">])*?(\/?)>/g,
  )) {
    if (end) assert.equal(open.pop(), name);
    else if (!closed) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined|<script/);
  assert.doesNotMatch(svg, /&(?!(?:amp|lt|gt|quot|#39);)/);
}

describe('markup', () => {
  it('escapes values and keeps markup', () => {
    const inner = markup`<i>${'<&"'}</i>`;
    assert.equal(
      markup`<b>${inner}${[1, null, "'"]}</b>`.source,
      '<b><i>&lt;&amp;&quot;</i>1&#39;</b>',
    );
    assert.equal(escapeText('a\u0000b\u001B'), 'a�b�');
  });
});

describe('scales', () => {
  const size = fc.double({ min: 1e-9, max: 1e9, noNaN: true });
  for (const kind of ['linear', 'log', 'log2'] as const) {
    it(`${kind}: holds its values between round ends, ticks in order`, () => {
      fc.assert(
        fc.property(
          fc.array(size, { maxLength: 5 }),
          fc.integer({ min: 1, max: 12 }),
          (values, wanted) => {
            const scale = createScale(kind, values, wanted);
            assert.ok(
              scale.ticks.length >= 2 && scale.ticks.length <= 2 * wanted + 5,
              `${scale.ticks}`,
            );
            assert.deepEqual(
              scale.ticks,
              scale.ticks.toSorted((a, b) => a - b),
            );
            for (const value of values) {
              const at = scale.at(value);
              assert.ok(at >= -1e-6 && at <= 1 + 1e-6, `${value} stands at ${at}`);
            }
          },
        ),
        // Almost one value, whose logarithmic axis has no room for linear steps.
        {
          examples: [
            [[8005.784262062337, 8005.784262062342], 1],
            [[1, 3.9], 1],
          ],
        },
      );
    });
  }

  it('takes 1, 2 or 5 as the step', () => {
    assert.deepEqual(createScale('linear', [0, 9.2], 5).ticks, [0, 2, 4, 6, 8, 10]);
    assert.deepEqual(createScale('log2', [2, 256], 8).ticks, [2, 4, 8, 16, 32, 64, 128, 256]);
    assert.deepEqual(createScale('log', [0.3, 1.5], 4).ticks, [0.2, 0.5, 1, 2]);
  });
});

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
      fc.property(axis, axis, fc.array(series, { maxLength: 9 }), (x, y, all) => {
        const spec = { title: HOSTILE, x, y, series: all };
        for (const width of [320, 680]) {
          checkSvg(chartFile(lineChart({ ...spec, width })));
          checkSvg(chartFile(scatterChart({ ...spec, width })));
        }
      }),
      { numRuns: 60 },
    );
    checkSvg(
      chartFile(
        stackedBars({
          title: HOSTILE,
          axis: 'time',
          unit: 's',
          parts: [HOSTILE, 'b'],
          bars: [
            { label: HOSTILE, values: [1, null] },
            { label: 'x', values: [] },
          ],
        }),
      ),
    );
  });

  it('draw measured marks filled, modelled ones hollow, and say so', () => {
    const one = { label: 'x', points: [{ x: 1, y: 2 }] };
    const axes = { title: 't', x: { label: 'ranks' }, y: { label: 'energy', unit: 'J' } };
    const measured = scatterChart({ ...axes, series: [one] });
    const modelled = scatterChart({ ...axes, series: [{ ...one, modelled: true }] });
    assert.doesNotMatch(measured.content.source, /hollow|modelled/);
    assert.match(modelled.content.source, /hollow/);
    assert.match(modelled.content.source, /x \(modelled\)/);
    assert.match(modelled.description, /x \(modelled\): 2 J at 1\./);
    assert.deepEqual(modelled.table.rows, [['x (modelled)', '1', '2 J']]);
  });

  it('say how many values a logarithmic axis has no place for', () => {
    const points = [
      { x: 1, y: 0 },
      { x: 2, y: -1 },
      { x: 3, y: 5 },
      { x: 4, y: null },
    ];
    const chart = lineChart({
      title: 't',
      x: { label: 'step' },
      y: { label: 'loss', scale: 'log' },
      series: [{ label: 'a', points }],
    });
    assert.match(chart.description, /2 values have no place/);
    assert.match(chart.content.source, /2 values have no place/);
  });

  it('keep the extremes of long curves', () => {
    const points = Array.from({ length: 10_000 }, (_, x) => ({ x, y: x === 5003 ? 99 : x % 7 }));
    const chart = lineChart({
      title: 't',
      x: { label: 'step' },
      y: { label: 'loss' },
      series: [{ label: 'a', points }],
    });
    const values = /data-values="([^"]*)"/.exec(chart.content.source)?.[1]?.split(' ') ?? [];
    assert.ok(values.length <= 450 && values.length > 200);
    assert.ok(values.includes('5003,99'));
    assert.ok(chart.table.rows.length <= 25);
  });

  it('a bar of which nothing is known says so', () => {
    const chart = stackedBars({
      title: 't',
      axis: 'energy',
      unit: 'J',
      parts: ['a', 'b'],
      bars: [
        { label: 'known', values: [1, 2] },
        { label: 'unknown', values: [null, null] },
      ],
    });
    assert.deepEqual(chart.table.rows, [
      ['known', '1 J', '2 J', '3 J'],
      ['unknown', 'not measured', 'not measured', 'not measured'],
    ]);
    assert.match(chart.description, /unknown: not measured\./);
  });
});
