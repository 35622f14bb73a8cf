import type { Rates } from './rates.js';
import type { Operation, Part, Start } from '../layers/operations.js';

/** What a rank's step takes, in seconds. */
export interface StepTime {
  /** Start to end. */
  readonly stepS: number;
  /** Products and passes over memory: all that is not communication. */
  readonly computeS: number;
  readonly products: Readonly<Record<Part, number>>;
  readonly elementsS: number;
  readonly updateS: number;
  /** Of every collective, from its start to its result, were nothing done beside it. */
  readonly communicationS: number;
  /** The part of it that went on beside the rank's own work. */
  readonly hiddenS: number;
  /** The part that the step waited for. */
  readonly exposedS: number;
  readonly messages: number;
}

/**
 * Plays a rank's step through: work takes its time, a collective goes on beside it from its start
 * on, and a wait ends when its collective has. Collectives share the link, one after another. All
 * ranks are taken to be alike, so that nobody waits for a slower one.
 *
 * @returns null when the rates do not tell what a collective takes
 */
export function stepTime(program: readonly Operation[], rates: Rates): StepTime | null {
  const products: Record<Part, number> = { local: 0, compression: 0, decompression: 0 };
  const endsAt = new Map<Start, { readonly at: number; readonly finishS: number }>();
  let [now, linkFreeAt] = [0, 0];
  let [elementsS, updateS, overheadS] = [0, 0, 0];
  let [communicationS, exposedS, messages] = [0, 0, 0];
  for (const operation of program) {
    overheadS += rates.perOperationS;
    now += rates.perOperationS;
    switch (operation.kind) {
      case 'product': {
        const seconds = rates.productS(operation);
        products[operation.part] += seconds;
        now += seconds;
        break;
      }
      case 'elements': {
        const seconds = rates.passS(operation);
        if (operation.pass === 'update') updateS += seconds;
        else elementsS += seconds;
        now += seconds;
        break;
      }
      case 'start': {
        const estimate = rates.collective(operation);
        if (estimate === null) return null;
        const { startS, transferS, finishS } = estimate;
        now += startS;
        linkFreeAt = Math.max(now, linkFreeAt) + transferS;
        endsAt.set(operation, { at: linkFreeAt, finishS });
        communicationS += startS + transferS + finishS;
        exposedS += startS;
        if (operation.of === 'network') messages += estimate.messages;
        break;
      }
      default: {
        const end = endsAt.get(operation.start);
        if (end === undefined) throw new RangeError('a wait without its start');
        const waitedS = Math.max(0, end.at - now) + end.finishS;
        exposedS += waitedS;
        now += waitedS;
      }
    }
  }
  const { local, compression, decompression } = products;
  return {
    stepS: now,
    computeS: local + compression + decompression + elementsS + updateS + overheadS,
    products,
    elementsS: elementsS + overheadS,
    updateS,
    communicationS,
    hiddenS: Math.max(0, communicationS - exposedS),
    exposedS,
    messages,
  };
}
