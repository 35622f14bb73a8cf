import { LOOK_MS, SLEEP_AFTER_MS, sleepBriefly, SPINS } from '../../base/waits.js';

/** Waits in questions, where a wait in the driver might never end: one after the other at first, and with a sleep
 * after each once it has lasted for 20 ms. @param look is called now and then, with the milliseconds so far; what
 * it throws ends the wait */
export function waitUntil(hasCome: () => boolean, look: (waitedMs: number) => void): void {
  for (let spin = SPINS; spin > 0; spin--) if (hasCome()) return;
  const began = performance.now();
  let looked = began;
  while (!hasCome()) {
    const now = performance.now();
    if (now - began > SLEEP_AFTER_MS) sleepBriefly();
    if (now - looked < LOOK_MS) continue;
    looked = now;
    look(now - began);
  }
}
