import type { Operator } from '../autograd/operator.js';
import type { Communicator, PendingCollective } from '../communicators/communicator.js';
import type { Engine } from '../engines/engine.js';
import type { FeedForward } from '../model/network.js';
import { type Tensor, tensorPart } from '../tensor/tensor.js';

/**
 * Sums the gradients of data-parallel replicas. The gradients of a layer lie side by side in one
 * bucket, whose all-reduce is started as soon as the layer's backward is done, so that it is under
 * way during the backward of the layers below.
 */
export class GradientBuckets {
  readonly #communicator: Communicator;
  readonly #buckets = new Map<Operator, Tensor>();
  readonly #pending: PendingCollective[] = [];

  /** Gives every parameter of the network its place in a bucket; before the first step. */
  constructor(engine: Engine, network: FeedForward, communicator: Communicator) {
    this.#communicator = communicator;
    for (const { operator, parameters } of network.layersBackward()) {
      const elements = parameters.reduce((sum, { value }) => sum + value.length, 0);
      const bucket = engine.allocate([elements]);
      let from = 0;
      for (const parameter of parameters) {
        const { shape, length } = parameter.value;
        parameter.gradient = tensorPart(bucket, from, shape);
        from += length;
      }
      this.#buckets.set(operator, bucket);
    }
  }

  /** Starts the sum of the layer that ends with `operator`, if one does. */
  start(operator: Operator): void {
    const bucket = this.#buckets.get(operator);
    if (bucket === undefined) return;
    const { maxInFlight } = this.#communicator.transport;
    if (this.#pending.length === maxInFlight) this.#pending.shift()?.wait();
    this.#pending.push(this.#communicator.startAllReduceSum(bucket));
  }

  /** Waits for every sum: the gradients are then those of all replicas. */
  finish(): void {
    for (const pending of this.#pending) pending.wait();
    this.#pending.length = 0;
  }
}
