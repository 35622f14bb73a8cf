/** Questions before a wait looks elsewhere, and gives its core away. */
const SPINS = 2000;
const LOOK_MS = 1;
/** A wait that has lasted this long sleeps between questions. */
const SLEEP_AFTER_MS = 20;
const SLEEP_MS = 0.2;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Waits in questions, where a wait in the driver might never end. @param look is called now and then, with the
 * milliseconds so far; what it throws ends the wait */
export function waitUntil(hasCome: () => boolean, look: (waitedMs: number) => void): void {
  for (let spin = SPINS; spin > 0; spin--) if (hasCome()) return;
  const began = performance.now();
  let looked = began;
  while (!hasCome()) {
    const now = performance.now();
    if (now - looked < LOOK_MS) continue;
    looked = now;
    look(now - began);
    if (now - began > SLEEP_AFTER_MS) Atomics.wait(sleeper, 0, 0, SLEEP_MS);
  }
}
