// Servers and connections for attacks on them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const COMMAND = fileURLToPath(new URL('../../../../dist/cli/main.js', import.meta.url));

export interface ServeProcess {
  readonly url: string;
  readonly pid: number;
  /** Log lines so far. */
  readonly lines: readonly Record<string, unknown>[];
  signal(name: NodeJS.Signals): void;
  /** Settles with its exit code when it has ended. */
  readonly ended: Promise<number | null>;
}

export interface ServeProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A port that is known, where the log cannot be read. */
  readonly port?: number;
  /** Where its log goes; `pipe` is read, others are not. */
  readonly stdout?: 'pipe' | 'unread' | number;
}

/** Starts `phantom serve` on the loopback interface. */
export async function serveProcess(
  args: readonly string[],
  { env = {}, port = 0, stdout = 'pipe' }: ServeProcessOptions = {},
): Promise<ServeProcess> {
  const child = spawn(process.execPath, [COMMAND, 'serve', ...args, '--port', `${port}`], {
    stdio: ['ignore', stdout === 'unread' ? 'pipe' : stdout, 'inherit'],
    env: { ...process.env, ...env },
  });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const lines: Record<string, unknown>[] = [];
  const url =
    stdout === 'pipe'
      ? await new Promise<string>((resolve, reject) => {
          createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
            const event = JSON.parse(line) as { msg?: string; url?: string };
            lines.push({ ...event });
            if (event.msg === 'listening') resolve(event.url ?? '');
          });
          void ended.then((code) => reject(new Error(`phantom serve ended with ${code}`)));
        })
      : `http://127.0.0.1:${port}`;
  if (stdout !== 'pipe') await untilLive(url, ended);
  return {
    url,
    pid: child.pid ?? 0,
    lines,
    signal: (name) => child.kill(name),
    ended,
  };
}

async function untilLive(url: string, ended: Promise<number | null>): Promise<void> {
  const isLive = async (): Promise<boolean> => {
    const answer = await fetch(`${url}/v2/health/live`).catch(() => null);
    return answer?.ok ?? false;
  };
  const isOver = ended.then((): never => {
    throw new Error('phantom serve has ended');
  });
  while (!(await Promise.race([isLive(), isOver]))) await sleep(20);
}

/** A port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** What a server says on a connection until it closes it. */
export interface RawAnswer {
  readonly text: string;
  readonly status: number;
  /** Whether the connection was reset. */
  readonly reset: boolean;
}

/** A connection that says what it is given. */
export class RawConnection {
  readonly socket: net.Socket;
  readonly answer: Promise<RawAnswer>;
  readonly #pieces: Buffer[] = [];

  /** @param url of the server */
  constructor(url: string) {
    const { port } = new URL(url);
    this.socket = net.connect(Number(port), '127.0.0.1');
    let reset = false;
    this.socket.on('data', (piece: Buffer) => this.#pieces.push(piece));
    this.socket.on('error', () => {
      reset = true;
    });
    this.answer = new Promise((resolve) => {
      this.socket.once('close', () => {
        const text = this.text();
        resolve({ text, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), reset });
      });
    });
  }

  /** What has come so far. */
  text(): string {
    return Buffer.concat(this.#pieces).toString('latin1');
  }

  write(text: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(text, () => resolve());
    });
  }
}

/** A request as it goes over the wire. */
export function rawRequest(
  route: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const all = {
    Host: 'localhost',
    'Content-Type': 'application/json',
    'Content-Length': `${bytes.length}`,
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${route} HTTP/1.1\r\n${lines.join('')}\r\n`), bytes]);
}
