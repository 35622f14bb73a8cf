import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { draw, heightOf } from './drawing/draw.js';
import { type Figure, fileNameOf, tableOf } from '../src/report/figure.js';
import { standalone } from './drawing/standalone.js';
import { TextTable } from './text-table.js';

/** Pixels of a figure that has a row to itself; what two share is half as wide. */
const PAPER_WIDTH = 960;

const waiting = new Set<() => void>();

/** Draws one figure a frame, so that the first shows soon. @returns what takes it back */
function inTurn(work: () => void): () => void {
  if (waiting.size === 0) requestAnimationFrame(next);
  waiting.add(work);
  return () => waiting.delete(work);
}

function next(): void {
  const [first] = waiting;
  if (first === undefined) return;
  waiting.delete(first);
  // One that cannot be drawn keeps no other from it.
  try {
    first();
  } finally {
    if (waiting.size > 0) requestAnimationFrame(next);
  }
}

/** Time needs room. */
function isWide({ kind }: Figure): boolean {
  return kind === 'timeline';
}

/** A figure as wide as its place, drawn when it comes into view, with its numbers as a table. */
export function FigureView({ figure }: { readonly figure: Figure }) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [inView, setInView] = useState(false);
  /** What is drawn, and how wide. */
  const drawn = useRef<readonly [Figure, number] | null>(null);
  const onPaper = useRef(false);
  const [prints, setPrints] = useState(0);
  const [open, setOpen] = useState(false);
  // Before anything is seen: what stands below keeps its place when the figure is drawn.
  useLayoutEffect(() => setWidth(Math.round(place.current?.clientWidth ?? 0)), []);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const sizes = new ResizeObserver(() => setWidth(Math.round(element.clientWidth)));
    const views = new IntersectionObserver(
      (entries) => setInView(entries.at(-1)?.isIntersecting ?? false),
      { rootMargin: '400px' },
    );
    // Paper does not wait for the next frame, and is as wide as it is.
    const toPaper = () => {
      const isAlone = isWide(figure) || (element.closest('.charts')?.children.length ?? 1) === 1;
      const paper = isAlone ? PAPER_WIDTH : PAPER_WIDTH / 2;
      element.replaceChildren(draw(figure, { width: paper, document, hover: false }));
      drawn.current = null;
      onPaper.current = true;
    };
    const fromPaper = () => {
      onPaper.current = false;
      setPrints((count) => count + 1);
    };
    sizes.observe(element);
    views.observe(element);
    addEventListener('beforeprint', toPaper);
    addEventListener('afterprint', fromPaper);
    return () => {
      sizes.disconnect();
      views.disconnect();
      removeEventListener('beforeprint', toPaper);
      removeEventListener('afterprint', fromPaper);
    };
  }, [figure]);
  useEffect(() => {
    const [last, lastWidth] = drawn.current ?? [];
    if (!inView || width === 0 || (last === figure && lastWidth === width)) return;
    return inTurn(() => {
      if (onPaper.current) return;
      place.current?.replaceChildren(draw(figure, { width, document, hover: true }));
      drawn.current = [figure, width];
    });
  }, [figure, width, inView, prints]);
  const { title } = figure;
  const save = () => {
    const url = URL.createObjectURL(
      new Blob([standalone(figure, document, 680)], { type: 'image/svg+xml' }),
    );
    const name = `${fileNameOf(figure)}.svg`;
    Object.assign(document.createElement('a'), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  const minHeight = width === 0 ? undefined : `${heightOf(figure, width)}px`;
  const { head, rows } = open ? tableOf(figure) : { head: [], rows: [] };
  return (
    <figure class={isWide(figure) ? 'wide' : ''}>
      <figcaption>
        <span>{title}</span>
        <button
          type="button"
          class="plain small"
          onClick={save}
          aria-label={`Save ${title} as SVG`}
        >
          SVG
        </button>
      </figcaption>
      <div class="canvas" ref={place} style={{ minHeight }} />
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Numbers: {title}</summary>
        {open && <TextTable caption={title} head={head} rows={rows} />}
      </details>
    </figure>
  );
}
