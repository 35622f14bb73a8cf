import type { PageUpdate } from '../src/report/page-data.js';
import { ask } from './server.js';
import { connection, page } from './state.js';

const AGAIN_MS = 2000;
/** News that come within this time are shown together. */
const TOGETHER_MS = 50;
/** Where it takes long to draw the page, the next news wait this many times as long, so that the
 * browser is busy for a fifth of the time at most. */
const REST = 4;
let togetherMs = TOGETHER_MS;
const waiting: PageUpdate[] = [];

/** Follows the server's events for as long as the page is open, by `fetch`: `EventSource` could not
 * send a token. */
export async function follow(): Promise<never> {
  for (;;) {
    try {
      const response = await ask('events');
      if (!response.ok || response.body === null) throw new Error(response.statusText);
      let rest = '';
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const events = (rest + part.value).split('\n\n');
        rest = events.pop() ?? '';
        const updates = events.flatMap((event) =>
          event.startsWith('data: ') ? [JSON.parse(event.slice(6)) as PageUpdate] : [],
        );
        if (updates.length > 0 && waiting.length === 0) setTimeout(apply, togetherMs);
        waiting.push(...updates);
        connection.value = `live, last news ${new Date().toLocaleTimeString()}`;
      }
      connection.value = 'The server has ended the connection; trying again.';
    } catch (error) {
      connection.value = `No connection (${(error as Error).message}); trying again.`;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function apply(): void {
  const began = performance.now();
  const all = new Map(page.value.runs.map((run) => [run.folder, run]));
  let { notes } = page.value;
  for (const update of waiting.splice(0)) {
    if (update.type === 'run') all.set(update.run.folder, update.run);
    else if (update.type === 'gone') all.delete(update.folder);
    else notes = update.notes;
  }
  const runs = [...all.values()].toSorted((a, b) => (a.created < b.created ? 1 : -1));
  page.value = { ...page.value, runs, notes };
  // Its own time is what is left when the page has been drawn.
  requestAnimationFrame(() =>
    setTimeout(() => {
      togetherMs = Math.min(Math.max(TOGETHER_MS, REST * (performance.now() - began)), AGAIN_MS);
    }),
  );
}
