// What a cable really carries: one TCP connection between two hosts, without MPI.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket, connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Host } from './hosts.js';

export interface RawTransfer {
  /** Of a stream of many messages, payload alone. */
  readonly bitsPerS: number;
  /** Median time of one message of 1 MB to an idle receiver, which answers with a byte. */
  readonly messageMs: number;
}

const MESSAGE_BYTES = 1 << 20;
const MESSAGES = 7;
const PORT = 7707;

/** @param bitsPerS of the cables; null: no limit */
export async function measureRaw(
  [from, to]: readonly [Host, Host],
  bitsPerS: number | null,
): Promise<RawTransfer> {
  const script = fileURLToPath(import.meta.url);
  const start = (host: Host, ...args: string[]) =>
    spawn('ip', ['netns', 'exec', host.namespace, process.execPath, script, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const receiver = start(to, 'receive', to.address);
  await once(receiver.stdout, 'data');
  const streamed = Math.round(Math.min(1e9, Math.max(4, ((bitsPerS ?? 1e10) / 8) * 0.8)));
  const sender = start(from, 'send', to.address, String(streamed));
  let text = '';
  sender.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(sender, 'close');
  receiver.kill();
  return JSON.parse(text) as RawTransfer;
}

/** Answers with a byte after each message, whose length comes first. */
function receive(address: string): void {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    let left = 0;
    socket.on('data', (data) => {
      let { length } = data;
      if (left === 0) {
        left = data.readDoubleLE(0);
        length -= 8;
      }
      left -= length;
      if (left === 0) socket.write('.');
    });
  });
  server.listen(PORT, address, () => console.log('ready'));
}

async function send(address: string, streamed: number): Promise<void> {
  const socket = connect(PORT, address);
  await once(socket, 'connect');
  socket.setNoDelay(true);
  const message = async (bytes: number): Promise<number> => {
    const head = Buffer.alloc(8);
    head.writeDoubleLE(bytes);
    const began = performance.now();
    socket.write(head);
    const part = Buffer.alloc(Math.min(bytes, MESSAGE_BYTES));
    for (let left = bytes; left > 0; left -= part.length) {
      if (!socket.write(part.subarray(0, left))) await drained(socket);
    }
    await once(socket, 'data');
    return performance.now() - began;
  };
  // Opens the congestion window.
  await message(4 * MESSAGE_BYTES);
  const times: number[] = [];
  for (let i = 0; i < MESSAGES; i++) times.push(await message(MESSAGE_BYTES));
  const ms = await message(streamed);
  socket.end();
  const messageMs = times.toSorted((a, b) => a - b)[MESSAGES >> 1];
  console.log(JSON.stringify({ bitsPerS: (8000 * streamed) / ms, messageMs }));
}

async function drained(socket: Socket): Promise<void> {
  await once(socket, 'drain');
}

const [role, address = '', bytes] = process.argv.slice(2);
if (role === 'receive') receive(address);
if (role === 'send') await send(address, Number(bytes));
