// One rank that trains networks twice: on the WebAssembly engine, and on the same as a device would be.
import { runRank } from '#src/communicators/threads/threads-worker.js';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { type DeferredEvent, deferringEngine } from '../support/deferring-engine.js';
import { type FewStepsRequest, type RunNumbers, trainFewSteps } from './few-steps.js';

export interface DeferredResult {
  readonly plain: RunNumbers;
  readonly deferred: RunNumbers;
  /** Of the deferring engine in the last step. */
  readonly events: readonly DeferredEvent[];
}

await runRank<readonly FewStepsRequest[]>(async ({ data, transport }): Promise<DeferredResult[]> =>
  data.map((request) => {
    const noted: DeferredEvent[] = [];
    let events: readonly DeferredEvent[] = [];
    const device = deferringEngine(createWasmEngine(), (event) => noted.push(event));
    const inLast = (step: () => void): void => {
      noted.length = 0;
      step();
      events = [...noted];
    };
    const plain = trainFewSteps(request, createWasmEngine(), transport, (step) => step());
    const deferred = trainFewSteps(request, device, transport, inLast);
    return { plain, deferred, events };
  }),
);
