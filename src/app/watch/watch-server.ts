import { createServer, type ServerResponse } from 'node:http';
import { pageHtml } from '../../report/page-html.js';
import type { PageUpdate } from '../../report/page-data.js';
import { runsPage } from '../../report/runs-page.js';
import { Admission } from '../../serving/server/admission.js';
import { listen } from '../../serving/server/listen.js';
import { PAGE_HEADERS } from '../../serving/server/model-page.js';
import { ProtocolError } from '../../serving/server/protocol-error.js';
import { RunWatcher } from './run-watcher.js';

export interface WatchOptions {
  readonly folders: readonly string[];
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** What whoever asks for data has to send; null: nothing. */
  readonly token: string | null;
  /** Names that requests may be addressed to besides those of this machine; `*`: any. */
  readonly hosts: readonly string[];
  /** Between two looks at the folders, at least; default 1000. */
  readonly everyMs?: number;
}

/** A page of runs that is being served. */
export interface Watch {
  readonly url: string;
  close(): Promise<void>;
}

const MOST_READERS = 32;
const MOST_CONNECTIONS = 128;
const ALIVE_MS = 15_000;
/** Of one core, that looks take: long runs are looked at less often, up to a limit. */
const MOST_SHARE = 0.01;
const MOST_PAUSE_MS = 10_000;

/** Whoever follows the events, with what could not be sent yet: of each run the newest. */
interface Reader {
  readonly response: ServerResponse;
  readonly waiting: Map<string, PageUpdate>;
}

/**
 * Serves the live page of some folders, which may hold runs later only: `/` is the page, without any
 * data, `/events` what is new as server-sent events.
 *
 * @throws ConfigError when the address cannot be listened on
 */
export async function startWatch(options: WatchOptions): Promise<Watch> {
  const { folders, host, port, token, hosts, everyMs = 1000 } = options;
  const watcher = new RunWatcher(folders);
  watcher.look();
  const readers = new Set<Reader>();
  const html = pageHtml({
    ...runsPage([], []),
    title: `Runs in ${folders.join(', ')}`,
    live: true,
  });
  // The page has no data: a browser cannot send a token with the address that is typed.
  const toPage = new Admission({ token: null, hosts, control: false });
  const toData = new Admission({ token, hosts, control: false });

  const server = createServer((request, response) => {
    const [place = ''] = (request.url ?? '').split('?', 1);
    try {
      (place === '/events' ? toData : toPage).check(request);
      if (request.method !== 'GET') throw new ProtocolError('not_found', 'only GET is answered');
      if (place === '/') {
        response
          .writeHead(200, { ...PAGE_HEADERS, 'Content-Type': 'text/html; charset=utf-8' })
          .end(html);
      } else if (place === '/events') follow(response);
      else throw new ProtocolError('not_found', `no such page: ${place.slice(0, 200)}`);
    } catch (error) {
      const failure =
        error instanceof ProtocolError ? error : new ProtocolError('internal', 'internal error');
      const type = { 'Content-Type': 'application/json' };
      response.writeHead(failure.status, { ...PAGE_HEADERS, ...type });
      response.end(`${JSON.stringify({ error: failure.message })}\n`);
    }
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.headersTimeout = 10_000;

  const follow = (response: ServerResponse) => {
    if (readers.size >= MOST_READERS) {
      throw new ProtocolError('queue_full', `${MOST_READERS} pages are open already`);
    }
    response.writeHead(200, { ...PAGE_HEADERS, 'Content-Type': 'text/event-stream' });
    const reader: Reader = { response, waiting: new Map() };
    readers.add(reader);
    response.on('drain', () => send(reader));
    response.on('close', () => readers.delete(reader));
    add(reader, watcher.all);
  };
  const add = (reader: Reader, updates: readonly PageUpdate[]) => {
    for (const update of updates) reader.waiting.set(keyOf(update), update);
    send(reader);
  };
  const send = ({ response, waiting }: Reader) => {
    for (const [key, update] of waiting) {
      if (response.writableNeedDrain) return;
      waiting.delete(key);
      response.write(`data: ${JSON.stringify(update)}\n\n`);
    }
  };
  const look = () => {
    const began = performance.now();
    const updates = watcher.look();
    const tookMs = performance.now() - began;
    if (updates.length > 0) for (const reader of readers) add(reader, updates);
    const pauseMs = Math.max(everyMs, tookMs / MOST_SHARE);
    looking = setTimeout(look, Math.min(pauseMs, MOST_PAUSE_MS));
  };
  let looking = setTimeout(look, everyMs);
  const living = setInterval(() => {
    for (const { response } of readers) if (!response.writableNeedDrain) response.write(':\n\n');
  }, ALIVE_MS);
  const stop = () => {
    clearTimeout(looking);
    clearInterval(living);
  };
  let url: string;
  try {
    url = await listen(server, { where: 'watch', host, port });
  } catch (error) {
    stop();
    throw error;
  }
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        stop();
        const updates = watcher.look();
        for (const reader of readers) {
          add(reader, updates);
          reader.response.end();
        }
        server.close(() => resolve());
        setTimeout(() => server.closeAllConnections(), 200).unref();
      }),
  };
}

/** Of updates with the same key only the newest counts. */
function keyOf(update: PageUpdate): string {
  if (update.type === 'notes') return '';
  return update.type === 'run' ? update.run.folder : update.folder;
}
