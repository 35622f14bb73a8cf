// What the network interfaces of this host have carried.
import { existsSync, readFileSync } from 'node:fs';

/** Since the interfaces came up, the loopback left out. */
export interface WireCounts {
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
}

const FILE = '/proc/self/net/dev';

/** Counts of this process's network namespace; null where the system does not say. */
export function readWire(): WireCounts | null {
  if (!existsSync(FILE)) return null;
  const sum = { sentBytes: 0, sentPackets: 0, receivedBytes: 0, receivedPackets: 0 };
  for (const line of readFileSync(FILE, 'utf8').split('\n').slice(2)) {
    const [name = '', numbers = ''] = line.trim().split(':');
    if (name === '' || name === 'lo') continue;
    const values = numbers.trim().split(/ +/).map(Number);
    sum.receivedBytes += values[0] ?? 0;
    sum.receivedPackets += values[1] ?? 0;
    sum.sentBytes += values[8] ?? 0;
    sum.sentPackets += values[9] ?? 0;
  }
  return sum;
}
