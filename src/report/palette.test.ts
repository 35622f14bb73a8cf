import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SERIES_COLORS, SURFACE_COLORS } from './palette.js';

type Rgb = readonly [number, number, number];

/** Linear light of `#rrggbb`. */
function linear(hex: string): Rgb {
  const part = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [part(1), part(3), part(5)];
}

function contrast(a: string, b: string): number {
  const luminance = ([r, g, blue]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * blue + 0.05;
  const [x, y] = [luminance(linear(a)), luminance(linear(b))];
  return Math.max(x, y) / Math.min(x, y);
}

/** Machado, Oliveira and Fernandes 2009, severity 1. */
const SIGHTS: Readonly<Record<string, readonly Rgb[]>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function seen(hex: string, sight: readonly Rgb[]): Rgb {
  const [r, g, b] = linear(hex);
  const [x, y, z] = sight.map((row) =>
    Math.min(1, Math.max(0, row[0] * r + row[1] * g + row[2] * b)),
  );
  return [x ?? 0, y ?? 0, z ?? 0];
}

/** OKLab, in which distances are about as large as they look. */
function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

for (const theme of ['light', 'dark'] as const) {
  const { page, ink, soft, panel } = SURFACE_COLORS[theme];
  describe(`the ${theme} palette`, () => {
    it('has text and marks that stand out from the page', () => {
      for (const surface of [page, panel]) {
        assert.ok(contrast(ink, surface) >= 7, `ink on ${surface}`);
        assert.ok(contrast(soft, surface) >= 4.5, `soft on ${surface}`);
      }
      for (const color of SERIES_COLORS[theme]) {
        assert.ok(contrast(color, page) >= 3, `${color}: ${contrast(color, page)}`);
      }
    });

    for (const [name, sight] of Object.entries(SIGHTS)) {
      it(`keeps its colors apart: ${name}`, () => {
        const labs = SERIES_COLORS[theme].map((color) => oklab(seen(color, sight)));
        for (const [i, a] of labs.entries()) {
          for (const [j, b] of labs.slice(0, i).entries()) {
            const distance = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
            assert.ok(distance >= 0.08, `${i} and ${j} differ by ${distance}`);
          }
        }
      });
    }
  });
}
