// How long the page of runs keeps its reader waiting: while news come, and while it is used.
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { CDPSession, Page } from 'playwright-core';

/** What a reader does, or what happens to the page. */
export interface Held {
  readonly what: string;
  /** CPU time of the longest thing that the page did at a time, and of all that its main thread did. */
  readonly longestTaskMs: number;
  readonly cpuMs: number;
  /** The longest time on the clock between two frames. */
  readonly longestFrameMs: number;
}

/** Runs in the page: notes times between frames. */
const NOTE = `(() => {
  const held = { frame: 0, ends: false };
  globalThis.held = held;
  let last = performance.now();
  const frame = (now) => {
    held.frame = Math.max(held.frame, now - last);
    last = now;
    if (!held.ends) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})()`;
/** Runs in the page. */
const NOTED = 'held.ends = true, held.frame';

/** An event of Chromium's trace; `tdur`: microseconds of CPU time. */
interface Traced {
  readonly name: string;
  readonly ph: string;
  readonly tdur?: number;
}

/** CPU time of the longest task of any thread of a page, while something is done. */
async function longestTask(session: CDPSession, work: () => Promise<unknown>): Promise<number> {
  const events: Traced[] = [];
  const onData = ({ value }: { value: object[] }) => events.push(...(value as Traced[]));
  session.on('Tracing.dataCollected', onData);
  const traceConfig = { includedCategories: ['toplevel'] };
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig });
  await work();
  const complete = new Promise((done) => session.once('Tracing.tracingComplete', done));
  await session.send('Tracing.end');
  await complete;
  session.off('Tracing.dataCollected', onData);
  const tasks = events.filter(({ name, ph }) => ph === 'X' && name.endsWith('RunTask'));
  return Math.max(0, ...tasks.map(({ tdur = 0 }) => tdur)) / 1000;
}

/** Adds a step to runs. */
function news(folders: readonly string[]): void {
  for (const folder of folders) {
    const file = path.join(folder, 'metrics.jsonl');
    const last = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    const { step } = JSON.parse(last) as { step: number };
    appendFileSync(file, `${last.replace(/"step":\d+/, `"step":${step + 1}`)}\n`);
  }
}

/** Uses a live page of these runs, and has news come. */
export async function howFluid(
  page: Page,
  session: CDPSession,
  folders: readonly string[],
): Promise<Held[]> {
  const cpuMs = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN);
  };
  const found: Held[] = [];
  const during = async (what: string, work: () => Promise<unknown>) => {
    await page.waitForTimeout(2500);
    const before = await cpuMs();
    await page.evaluate(NOTE);
    const longestTaskMs = await longestTask(session, async () => {
      await work();
      await page.waitForTimeout(500);
    });
    const longestFrameMs = await page.evaluate<number>(NOTED);
    found.push({ what, longestTaskMs, longestFrameMs, cpuMs: (await cpuMs()) - before });
  };
  const figure = page.locator('figure svg').first();
  await during('a new line', async () => {
    news(folders.slice(0, 1));
    await page.waitForTimeout(2500);
  });
  await during('a new line of each run', async () => {
    news(folders);
    await page.waitForTimeout(6000);
  });
  await during('hovering over a figure', async () => {
    const box = (await figure.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
    for (let i = 1; i <= 40; i++) {
      const [x, y] = [box.x + (box.width * i) / 41, box.y + box.height * (0.4 + 0.01 * i)];
      await page.mouse.move(x, y);
    }
  });
  await during('searching', async () => {
    const search = page.getByRole('searchbox');
    await search.pressSequentially('ghosts=3', { delay: 60 });
    await page.waitForTimeout(500);
    await search.fill('');
  });
  await during('choosing runs', async () => {
    const boxes = page.locator('.runs input[type=checkbox]');
    for (let i = 0; i < 4; i++) await boxes.nth(i).click();
  });
  await during('smoothing', async () => {
    const slider = page.getByRole('slider');
    for (let i = 0; i < 8; i++) await slider.press('ArrowRight');
  });
  await during('scrolling through the page', async () => {
    await page.mouse.move(640, 450);
    for (let i = 0; i < 30; i++) {
      await page.mouse.wheel(0, 300);
      await page.waitForTimeout(30);
    }
  });
  return found;
}
