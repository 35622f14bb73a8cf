import { randomStream } from '../../tensor/random.js';

/** Which draws of dropout a pass takes. What is drawn depends on the seed, the step, the layer, the
 * feature and the sample's place in the step alone: not on ranks, replicas or micro-batches. */
export class DropoutDraws {
  readonly key: readonly [number, number];
  /** Steps done before this one; below 2³². */
  step = 0;
  /** Place of the pass's first sample among those of the step. */
  firstSample = 0;

  constructor(seed: number) {
    const stream = randomStream(seed, 'dropout');
    this.key = [stream.uint32(0), stream.uint32(1)];
  }
}
