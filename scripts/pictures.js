// Draws the pictures of the documentation, each for light and dark pages: `npm run generate` writes
// them. They are to scale where they say so.

const FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif';

const THEMES = {
  light: {
    ink: '#1b1f26',
    soft: '#57606a',
    line: '#8c959f',
    panel: '#f6f8fa',
    edge: '#d0d7de',
    ranks: ['#2f66b8', '#d9690a', '#0f8f7c', '#9a3fc9'],
  },
  dark: {
    ink: '#e6edf3',
    soft: '#9ea7b3',
    line: '#7d8590',
    panel: '#161b22',
    edge: '#3d444d',
    ranks: ['#6ea0ff', '#ff9d4d', '#4ed1bb', '#d08cf5'],
  },
};

const P = 4;

/** What the pictures are made of, in the colors of a theme. */
function pen(theme) {
  const text = (x, y, content, { size = 15, fill = theme.ink, weight = 400, anchor } = {}) =>
    `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" fill="${fill}"` +
    `${anchor === undefined ? '' : ` text-anchor="${anchor}"`}>${content}</text>`;
  const rect = (x, y, width, height, { fill, opacity = 1, stroke = 'none', radius = 2 }) =>
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}" fill="${fill}"` +
    ` fill-opacity="${opacity}" stroke="${stroke}" stroke-width="1.5"/>`;
  const arrow = (x1, y1, x2, y2, { both = false, color = theme.line } = {}) => {
    const head = (x, y, fromX, fromY) => {
      const angle = Math.atan2(y - fromY, x - fromX);
      const point = (turn) =>
        `${(x - 7 * Math.cos(angle + turn)).toFixed(1)},${(y - 7 * Math.sin(angle + turn)).toFixed(1)}`;
      return `<polygon points="${x},${y} ${point(0.45)} ${point(-0.45)}" fill="${color}"/>`;
    };
    return (
      `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}" stroke-width="1.5"/>` +
      head(x2, y2, x1, y1) +
      (both ? head(x1, y1, x2, y2) : '')
    );
  };
  return { theme, text, rect, arrow };
}

function svg(width, height, title, parts) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}"` +
    ` height="${height}" role="img" font-family='${FONT}'>\n<title>${title}</title>\n` +
    `${parts.flat(9).join('\n')}\n</svg>\n`
  );
}

// A layer, split: areas are weights, strips are activations.
const M = 64;
const K = 8;
const GAP = 3;
const ROW = 112;
const TOP = 96;

function layer(theme) {
  const { text, rect, arrow } = pen(theme);
  const soft = (x, y, content, more = {}) => text(x, y, content, { fill: theme.soft, ...more });

  const heading = (x, title, subtitle) => [
    text(x, 24, title, { size: 21, weight: 650 }),
    soft(x, 50, subtitle, { size: 16 }),
  ];
  /** Everything that crosses the network, drawn as wide as it is. */
  const pipe = (x, width) => [
    rect(x - 5, TOP - 8, width + 10, P * ROW - 8, {
      fill: theme.panel,
      stroke: theme.edge,
      radius: 6,
    }),
    theme.ranks.map((fill, i) =>
      rect(x + (i * width) / P, TOP - 3, width / P, P * ROW - 18, { fill, radius: 0 }),
    ),
  ];
  /** The blocks of a row of the matrix, `wide` where the rank's own is. */
  const widths = (rank, others) => Array.from({ length: P }, (_, i) => (i === rank ? M : others));
  const starts = (sizes) => sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b + GAP, 0));

  const row = (rank, x, others) => {
    const y = TOP + rank * ROW;
    const color = theme.ranks[rank];
    const sizes = widths(rank, others);
    const at = starts(sizes);
    const end = x + at[P - 1] + sizes[P - 1];
    return [
      sizes.map((size, i) => [
        rect(x + at[i], y, size, 12, { fill: theme.ranks[i] }),
        rect(x + at[i], y + 17, size, M, {
          fill: color,
          opacity: i === rank ? 0.5 : 0.22,
          stroke: color,
        }),
      ]),
      arrow(end + 8, y + 17 + M / 2, end + 26, y + 17 + M / 2),
      rect(end + 30, y + 17, 12, M, { fill: color }),
      rank === 0 ? soft(end + 36, y + 10, 'output', { size: 14, anchor: 'middle' }) : [],
    ];
  };

  const left = 152;
  const tensor = Array.from({ length: P }, (_, rank) => {
    const y = TOP + rank * ROW;
    return [
      text(84, y + 40, `rank ${rank}`),
      arrow(74, y + 6, left - 4, y + 6, { both: true }),
      row(rank, left, M),
    ];
  });

  const right = 540;
  const body = right + 100;
  const phantom = Array.from({ length: P }, (_, rank) => {
    const y = TOP + rank * ROW;
    const x = body + starts(widths(rank, K))[rank];
    const low = y + 17 + M + 5;
    return [
      text(right + 28, y + 40, `rank ${rank}`),
      arrow(right + 18, y + 6, body - 4, y + 6),
      row(rank, body, K),
      rect(x, low, M, K, { fill: theme.ranks[rank], opacity: 0.5, stroke: theme.ranks[rank] }),
      arrow(x - 4, low + K / 2, right + 18, low + K / 2),
    ];
  });

  const notesAt = 800;
  const note = (y, name, line1, line2, targetX, targetY) => [
    `<path d="M${notesAt - 8} ${y - 5}L${targetX} ${targetY}" stroke="${theme.line}" fill="none"/>`,
    `<circle cx="${targetX}" cy="${targetY}" r="3" fill="${theme.ink}"/>`,
    text(notesAt, y, `<tspan font-weight="650">${name}</tspan> ${line1}`),
    soft(notesAt, y + 19, line2, { size: 14 }),
  ];
  // On rank 1: its block begins one ghost block to the right.
  const y1 = TOP + ROW + 17;
  const x1 = body + K + GAP;
  const above = TOP - 14;
  const labels = [
    soft(0, above, 'network', { size: 14 }),
    soft(left, above, 'activations: own and received', { size: 14 }),
    soft(right - 8, above, 'network', { size: 14 }),
    soft(body, above, 'own activations, received ghosts', { size: 14 }),
  ];
  const notes = [
    note(y1 + 4, 'L', 'own block', 'M × M', x1 + M - 10, y1 + 12),
    note(
      y1 + 50,
      'D',
      'decompressor',
      'of the others’ ghosts',
      x1 + M + GAP + K + GAP + K / 2,
      y1 + 42,
    ),
    note(y1 + 96, 'C', 'compressor', 'M values to K ghosts', x1 + M - 10, y1 + M + 5 + K / 2),
  ];

  const foot = TOP + P * ROW + 14;
  const figures = (x, weights, received) => [
    text(x, foot, `<tspan font-weight="650">${weights}</tspan> weights per rank`, { size: 17 }),
    text(x, foot + 25, `<tspan font-weight="650">${received}</tspan> values received per sample`, {
      size: 17,
    }),
  ];
  return svg(1000, foot + 62, 'A layer split over four ranks, tensor and phantom parallel', [
    heading(0, 'Tensor parallelism', 'Every rank receives all activations.'),
    heading(right, 'Phantom parallelism', 'Ranks exchange a few ghost neurons.'),
    pipe(5, M),
    pipe(right + 5, K),
    labels,
    notes.map(([line]) => line),
    tensor,
    phantom,
    notes.map(([, ...rest]) => rest),
    figures(0, '4 M²', '3 M'),
    figures(right, 'M² + 4 K M', '3 K'),
    soft(
      0,
      foot + 54,
      'One layer, forward, P = 4 ranks with a block of width M = N/P each; drawn to scale for K = M/8. Colors are ranks.',
      { size: 14 },
    ),
  ]);
}

// A step in time: products as long as their FLOPs, collectives as long as their bytes.
function step(theme) {
  const { text, rect, arrow } = pen(theme);
  const soft = (x, y, content, more = {}) => text(x, y, content, { fill: theme.soft, ...more });
  const [blue, orange, teal] = theme.ranks;
  const UNIT = 68;
  const HEIGHT = 34;
  const left = 96;

  /** One pass: work in order, and a collective that is started and waited for. */
  const pass = (x, y, { before, beside, after, transfer, name }) => {
    const parts = [];
    let at = x;
    const work = (items, fill) => {
      for (const [label, size] of items) {
        const width = size * UNIT;
        parts.push(rect(at, y, width - 1.5, HEIGHT, { fill, opacity: 0.5, stroke: fill }));
        if (label.length * 9 + 4 < width) {
          parts.push(text(at + width / 2, y + 22, label, { size: 14, anchor: 'middle' }));
        }
        at += width;
      }
    };
    work(before, teal);
    const started = at;
    work(beside, blue);
    const arrived = started + transfer * UNIT;
    parts.push(
      rect(started, y + HEIGHT + 10, transfer * UNIT, 18, { fill: orange, opacity: 0.75 }),
      soft(arrived + 7, y + HEIGHT + 24, name, { size: 13 }),
    );
    if (arrived > at + 1) {
      parts.push(
        rect(at, y, arrived - at - 1.5, HEIGHT, { fill: 'none', stroke: theme.line }),
        text((at + arrived) / 2, y + 22, 'waits', { size: 13, anchor: 'middle', fill: theme.soft }),
      );
    }
    at = Math.max(at, arrived);
    work(after, teal);
    return { parts, end: at };
  };

  const strategy = (y, title, forward, backward) => {
    const first = pass(left, y + 18, forward);
    const second = pass(first.end + 22, y + 18, backward);
    return [
      text(0, y + 10, title, { size: 17, weight: 650 }),
      soft(0, y + 40, 'computes', { size: 14 }),
      soft(0, y + 77, 'network', { size: 14 }),
      soft(left, y + 12, 'forward', { size: 13 }),
      soft(first.end + 22, y + 12, 'backward', { size: 13 }),
      first.parts,
      second.parts,
    ];
  };
  const k = 1 / 8;
  const rate = 0.55;
  const phantom = strategy(
    18,
    'Phantom',
    {
      before: [['C', k]],
      beside: [['L x', 1]],
      after: [['D g', 3 * k]],
      transfer: 3 * k * rate,
      name: 'all-gather',
    },
    {
      before: [['Dᵀ', 3 * k]],
      beside: [
        ['dL', 1],
        ['dD', 3 * k],
        ['Lᵀ dz', 1],
      ],
      after: [
        ['dC', k],
        ['Cᵀ', k],
      ],
      transfer: 3 * k * rate,
      name: 'reduce-scatter',
    },
  );
  const tensor = strategy(
    142,
    'Tensor',
    {
      before: [],
      beside: [['own', 1]],
      after: [['others’ columns', 3]],
      transfer: 3 * rate,
      name: 'all-gather',
    },
    {
      before: [['Wᵀ dz', 4]],
      beside: [['dW', 4]],
      after: [],
      transfer: 3 * rate,
      name: 'reduce-scatter',
    },
  );
  const legend = (x, fill, label, opacity = 0.5) => [
    rect(x, 266, 18, 14, { fill, opacity, stroke: fill }),
    soft(x + 26, 278, label, { size: 14 }),
  ];
  return svg(1000, 322, 'One layer in a step: what hides the collectives', [
    phantom,
    tensor,
    legend(0, blue, 'needs no remote data: hides the collective'),
    legend(350, teal, 'before the start or after the wait'),
    legend(650, orange, 'on the network', 0.75),
    soft(
      0,
      312,
      'Lengths follow FLOPs and bytes of one layer on one rank of four, K = M/8, at one assumed network rate.',
      { size: 14 },
    ),
    arrow(850, 273, 920, 273),
    soft(928, 278, 'time', { size: 14 }),
  ]);
}

// Ranks, blocks and replicas.
function ranks(theme) {
  const { text, rect, arrow } = pen(theme);
  const soft = (x, y, content, more = {}) => text(x, y, content, { fill: theme.soft, ...more });
  const replica = (index) => {
    const y = 10 + index * 196;
    return [
      rect(2, y, 740, 150, { fill: theme.panel, stroke: theme.edge, radius: 8 }),
      text(18, y + 26, `replica ${index}`, { size: 16, weight: 650 }),
      soft(118, y + 26, `samples of its own`, { size: 14 }),
      [0, 1].map((rank) => {
        const x = 18 + rank * 382;
        return [
          rect(x, y + 40, 326, 96, { fill: 'none', stroke: theme.line, radius: 6 }),
          soft(x + 10, y + 60, `rank ${index * 2 + rank} (a thread or a process)`, { size: 14 }),
          [0, 1].map((block) => {
            const color = theme.ranks[rank * 2 + block];
            return [
              rect(x + 12 + block * 155, y + 72, 146, 52, {
                fill: color,
                opacity: 0.4,
                stroke: color,
              }),
              text(x + 85 + block * 155, y + 103, `block ${rank * 2 + block}`, {
                anchor: 'middle',
              }),
            ];
          }),
        ];
      }),
      arrow(349, y + 88, 395, y + 88, { both: true }),
    ];
  };
  return svg(1000, 366, 'Replicas hold ranks, ranks hold blocks', [
    replica(0),
    replica(1),
    [0, 1].map((rank) => arrow(100 + rank * 560, 164, 100 + rank * 560, 202, { both: true })),
    soft(118, 188, 'gradients: all-reduce between the ranks with the same blocks', { size: 14 }),
    text(760, 90, 'ghosts: between the', { size: 15 }),
    text(760, 110, 'ranks of a replica', { size: 15 }),
    text(760, 280, '--blocks 4 (P)', { size: 15 }),
    text(760, 302, '--ranks 2 (R), divides P', { size: 15 }),
    text(760, 324, '--replicas 2 (D)', { size: 15 }),
  ]);
}

const PICTURES = { layer, step, ranks };

/** Every picture by its file. */
export function pictures(folder) {
  return Object.fromEntries(
    Object.entries(PICTURES).flatMap(([name, draw]) =>
      Object.entries(THEMES).map(([mode, theme]) => [`${folder}/${name}-${mode}.svg`, draw(theme)]),
    ),
  );
}
