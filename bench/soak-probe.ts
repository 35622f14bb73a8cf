// Asks /v2/health/live every 20 ms in a thread of its own, so that a busy generator of load does not
// count as a slow server; posts the milliseconds of each answer at the end.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { send } from './soak-faults.js';

const { url, endMs } = workerData as { readonly url: string; readonly endMs: number };
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const answersMs: number[] = [];
while (Date.now() < endMs) {
  const began = performance.now();
  const { status } = await send(url, { method: 'GET', agent }, '');
  answersMs.push(status === 200 ? performance.now() - began : Infinity);
  await sleep(20);
}
agent.destroy();
parentPort?.postMessage(answersMs);
