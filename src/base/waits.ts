/** Questions of a wait in questions before it looks elsewhere. */
export const SPINS = 2000;
/** How often such a wait looks elsewhere: reads messages, asks for errors. */
export const LOOK_MS = 1;
/** A wait that has lasted this long sleeps. */
export const SLEEP_AFTER_MS = 20;
const SLEEP_MS = 0.2;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** The sleep of a long wait. */
export function sleepBriefly(): void {
  Atomics.wait(sleeper, 0, 0, SLEEP_MS);
}
