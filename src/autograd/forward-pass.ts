import type { Communicator } from '../communicators/communicator.js';
import { HostPhaseClock, type PhaseClock } from '../base/phases.js';
import type { Engine } from '../engines/engine.js';
import { ShapeError } from '../base/errors.js';
import {
  type AnyTensor,
  type Dtype,
  elementCount,
  float32,
  type Tensor,
} from '../tensor/tensor.js';
import { Carver, floatsOf } from './carver.js';
import type { Operator, OperatorContext } from './operator.js';
import { ScratchEngine, type Take } from './scratch-engine.js';
import { Variable } from './tape.js';

/**
 * Memory that the passes of a forward-only network share: two halves that its operators write in
 * turn, so that a chain of any depth needs room for its two largest places, and two more for what
 * residual blocks add to. What a pass leaves here is lost in the next one.
 */
export class ForwardMemory {
  readonly #engine: Engine;
  /** Of each half, then of each half of what is kept. */
  readonly #slabs: readonly [Tensor[], Tensor[], Tensor[], Tensor[]] = [[], [], [], []];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Hands out a half anew, from its start. */
  half(index: 0 | 1 | 2 | 3): Take {
    const slabs = this.#slabs[index];
    let slab = 0;
    let carver: Carver | null = null;
    return (shape, dtype) => {
      for (; ; slab++, carver = null) {
        if (slab === slabs.length) slabs.push(this.#engine.allocate([floatsOf(shape, dtype)]));
        carver ??= new Carver(slabs[slab] as Tensor);
        const part = carver.take(shape, dtype);
        if (part !== null) return part;
      }
    };
  }
}

/**
 * A chain of operators that is only ever run forward: as a tape, but nothing is saved for a backward
 * pass, and no gradient is held. The first pass plans; later ones replay. Passes of different column
 * counts share one `ForwardMemory`; plan the largest first, so that the memory is allocated once.
 */
export class ForwardPass {
  readonly engine: Engine;
  readonly communicator: Communicator;
  readonly phases: PhaseClock;
  readonly #memory: ForwardMemory;
  readonly #places: Place[] = [];
  #applied = 0;
  #kept = 0;

  /** @param phases what the rank's time goes to; without it, nobody asks */
  constructor(
    engine: Engine,
    communicator: Communicator,
    memory: ForwardMemory,
    phases: PhaseClock = new HostPhaseClock(),
  ) {
    this.engine = engine;
    this.communicator = communicator;
    this.phases = phases;
    this.#memory = memory;
  }

  /** Begins a pass, which replays into the memory of the first. */
  begin(): void {
    this.#applied = 0;
    this.#kept = 0;
  }

  /** Runs an operator. @param inputs the output of the one before, and parameters: they form a chain
   * @throws ShapeError when a later pass applies other operators than the first */
  apply(operator: Operator, ...inputs: Variable[]): Variable {
    return this.#apply((this.#applied % 2) as 0 | 1, operator, inputs);
  }

  /** A result that is there until the one after the next is kept. */
  applyKept(operator: Operator, ...inputs: Variable[]): Variable {
    return this.#apply((2 + (this.#kept++ % 2)) as 2 | 3, operator, inputs);
  }

  /** Nothing is made again where there is no backward pass. */
  remake(): void {}

  #apply(half: 0 | 1 | 2 | 3, operator: Operator, inputs: readonly Variable[]): Variable {
    let place = this.#places[this.#applied];
    if (place === undefined) {
      place = new Place(this, this.#memory.half(half), operator, inputs);
      this.#places.push(place);
    } else if (place.operator !== operator) {
      throw new ShapeError('forward', `${operator.name}: this pass has not the operators before`);
    }
    this.#applied++;
    return place.forward();
  }
}

/** One operator's place in the chain. */
class Place implements OperatorContext {
  readonly engine: Engine;
  readonly communicator: Communicator;
  readonly phases: PhaseClock;
  readonly operator: Operator;
  readonly inputs: readonly AnyTensor[];
  readonly again = 'no';
  readonly #scratch: ScratchEngine;
  readonly #buffers = new Map<string, AnyTensor>();
  #plan: unknown;
  #planned = false;
  #result: Variable | null = null;

  constructor(pass: ForwardPass, take: Take, operator: Operator, variables: readonly Variable[]) {
    this.#scratch = new ScratchEngine(pass.engine, take);
    this.engine = this.#scratch;
    this.communicator = pass.communicator;
    this.phases = pass.phases;
    this.operator = operator;
    this.inputs = variables.map(({ operand }) => operand);
  }

  get output(): AnyTensor {
    if (this.#result === null) throw new ShapeError('forward', `${this.operator.name} has not run`);
    return this.#result.tensor;
  }

  forward(): Variable {
    const output = this.operator.forward(this, ...this.inputs);
    this.#result ??= new Variable(output, false);
    return this.#result;
  }

  plan<Plan>(make: () => Plan): Plan {
    if (!this.#planned) {
      this.#plan = make();
      this.#planned = true;
    }
    return this.#plan as Plan;
  }

  buffer(name: string, ...shape: number[]): Tensor {
    return float32(this.bufferOf('float32', name, ...shape));
  }

  bufferOf(dtype: 'bfloat16', name: string, ...shape: number[]): Tensor<'bfloat16'>;
  bufferOf(dtype: Dtype, name: string, ...shape: number[]): AnyTensor;
  bufferOf(dtype: Dtype, name: string, ...shape: number[]): AnyTensor {
    let buffer = this.#buffers.get(name);
    if (buffer === undefined) {
      buffer = this.#scratch.allocate(shape, dtype);
      this.#buffers.set(name, buffer);
    } else if (buffer.dtype !== dtype || buffer.length !== elementCount(shape)) {
      throw new ShapeError('forward', `${this.operator.name}: ${name} changed to [${shape}]`);
    }
    return buffer;
  }

  keptBuffer(dtype: Dtype, name: string, ...shape: number[]): AnyTensor {
    return this.bufferOf(dtype, name, ...shape);
  }

  needsGradient(): boolean {
    return false;
  }
  gradient(): null {
    return null;
  }
  gradientBeta(): 0 {
    return 0;
  }
  giveGradient(): void {}
}
