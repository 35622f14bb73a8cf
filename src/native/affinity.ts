import { NativeError } from '../base/errors.js';
import { openLibrary } from './library.js';

/**
 * Lets the calling thread run on these processors alone, Linux. Memory that it touches first then comes
 * from their node.
 *
 * @throws NativeError without koffi or libc.so.6, on other systems, and where the system refuses
 */
export async function bindThread(cpus: readonly number[]): Promise<void> {
  if (process.platform !== 'linux') {
    throw new NativeError('bind', `threads cannot be bound on ${process.platform}`);
  }
  const library = await openLibrary('libc.so.6');
  const call = library.find('sched_setaffinity', 'int', ['int', 'size_t', 'void*']);
  if (call === undefined) throw new NativeError('bind', 'libc.so.6 has no sched_setaffinity');
  const mask = new Uint8Array(8 * Math.ceil((Math.max(0, ...cpus) + 1) / 64));
  for (const cpu of cpus) mask[cpu >> 3] = (mask[cpu >> 3] ?? 0) | (1 << (cpu & 7));
  // 0 is the thread that calls.
  if (call(0, mask.length, mask) === 0) return;
  throw new NativeError('bind', 'the system refuses sched_setaffinity');
}
