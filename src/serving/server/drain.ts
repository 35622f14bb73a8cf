import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Nothing has arrived for this long: whoever sends requests knows that they go elsewhere. */
const QUIET_MS = 250;
/** Longest time in which new connections are taken, and its share of the time there is. */
const MOST_GRACE_MS = 5000;
const GRACE_SHARE = 0.5;
/** How long a connection may be without its first byte, at the end. */
const SILENT_MS = 1000;
const LOOK_MS = 25;

/** How a server ends: requests that are on their way when it begins to end are answered too. */
export class Drain {
  readonly #server: Server;
  /** Connections, and when they were opened. */
  readonly #sockets = new Map<Socket, number>();
  #lastMs = 0;
  #begun = false;

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#lastMs = performance.now();
      this.#sockets.set(socket, this.#lastMs);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('request', () => {
      this.#lastMs = performance.now();
    });
  }

  /** Whether connections end with their next answer. */
  get hasBegun(): boolean {
    return this.#begun;
  }

  /** @param withinMs then connections are cut */
  async finish(withinMs: number): Promise<void> {
    const began = performance.now();
    this.#begun = true;
    this.#lastMs = Math.max(this.#lastMs, began);
    const graceMs = Math.min(MOST_GRACE_MS, GRACE_SHARE * withinMs);
    while (performance.now() - began < graceMs) {
      const quietMs = performance.now() - this.#lastMs;
      if (quietMs >= QUIET_MS) break;
      await look();
    }
    const state = { closed: false };
    this.#server.close(() => {
      state.closed = true;
    });
    while (!state.closed) {
      this.#server.closeIdleConnections();
      this.#closeSilent();
      if (performance.now() - began >= withinMs) this.#server.closeAllConnections();
      await look();
    }
  }

  /** Connections that have not sent a byte: they wait for nothing. */
  #closeSilent(): void {
    const now = performance.now();
    for (const [socket, openedMs] of this.#sockets) {
      if (socket.bytesRead === 0 && now - openedMs > SILENT_MS) socket.destroy();
    }
  }
}

/** Waits, and goes on right after everything that has arrived was read. */
async function look(): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, LOOK_MS);
  });
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
