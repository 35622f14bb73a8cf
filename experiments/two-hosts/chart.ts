// Step times as bars, with what is exposed; readable on light and dark pages.
import type { Summary } from './results.js';

const COLOURS = { phantom: '#0f9d6e', tensor: '#4c7fd0', 'tensor-paired': '#b0671f' } as const;
const [BAR, GAP, LABELS, PLOT, TOP] = [16, 14, 150, 470, 46];

/** One bar a strategy and rate: the whole step, its exposed part hatched. */
export function drawChart(summary: readonly Summary[]): string {
  const rates = [...new Set(summary.map(({ rate }) => rate))];
  const strategies = [...new Set(summary.map(({ strategy }) => strategy))];
  const longest = Math.max(...summary.map(({ stepMs }) => stepMs));
  const scale = PLOT / longest;
  const group = strategies.length * (BAR + 3) + GAP;
  const height = TOP + rates.length * group + 10;
  const bars = rates.flatMap((rate, r) =>
    strategies.flatMap((strategy, s) => {
      const one = summary.find((it) => it.rate === rate && it.strategy === strategy);
      if (one === undefined) return [];
      const y = TOP + r * group + s * (BAR + 3);
      const colour = COLOURS[strategy as keyof typeof COLOURS] ?? '#888888';
      const [whole, exposed] = [one.stepMs * scale, Math.min(one.stepMs, one.exposedMs) * scale];
      const x = LABELS + whole - exposed;
      return [
        s === 0 ? text(LABELS - 10, y + BAR - 3, rate, 'end') : '',
        `<rect x="${LABELS}" y="${y}" width="${whole.toFixed(1)}" height="${BAR}" fill="${colour}"/>`,
        `<rect x="${x.toFixed(1)}" y="${y}" width="${exposed.toFixed(1)}" height="${BAR}" fill="url(#exposed)"/>`,
        text(LABELS + whole + 6, y + BAR - 3, `${one.stepMs.toFixed(0)} ms`, 'start'),
      ];
    }),
  );
  const legend = strategies.map((strategy, i) => {
    const x = LABELS + i * 130;
    const colour = COLOURS[strategy as keyof typeof COLOURS] ?? '#888888';
    return `<rect x="${x}" y="12" width="12" height="12" fill="${colour}"/>${text(x + 18, 22, strategy, 'start')}`;
  });
  const hatched = LABELS + strategies.length * 130;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 ${height}" font-family="sans-serif" font-size="13" role="img">
<title>Time of a training step between hosts, by the rate of their cables</title>
<style>text{fill:#1b1f24}@media (prefers-color-scheme:dark){text{fill:#e6e6e6}}</style>
<defs><pattern id="exposed" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="3" height="6" fill="#ffffff" fill-opacity="0.75"/></pattern></defs>
${legend.join('\n')}
<rect x="${hatched}" y="12" width="12" height="12" fill="#888888"/><rect x="${hatched}" y="12" width="12" height="12" fill="url(#exposed)"/>${text(hatched + 18, 22, 'exposed', 'start')}
${bars.filter((bar) => bar !== '').join('\n')}
</svg>
`;
}

function text(x: number, y: number, content: string, anchor: 'start' | 'end'): string {
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}">${content}</text>`;
}
