import type { Communicator } from '../communicators/communicator.js';
import { HostPhaseClock, PHASE, type PhaseClock } from '../base/phases.js';
import type { Engine } from '../engines/engine.js';
import { ShapeError } from '../base/errors.js';
import {
  type AnyTensor,
  bytesOf,
  type Dtype,
  elementCount,
  float32,
  type Tensor,
  type ParameterSlice,
} from '../tensor/tensor.js';
import type { Again, Operator, OperatorContext } from './operator.js';
import { type Remade, RemadeMemory } from './remade.js';
import { ScratchEngine, type Take } from './scratch-engine.js';

/** A tensor in a computation, with its gradient. */
export class Variable {
  readonly tensor: AnyTensor;
  readonly needsGradient: boolean;
  gradient: AnyTensor | null = null;
  /** Whether `gradient` holds something of the current pass. */
  gradientWritten = false;

  constructor(tensor: AnyTensor, needsGradient: boolean) {
    this.tensor = tensor;
    this.needsGradient = needsGradient;
  }

  /** @throws ShapeError where it is bfloat16 */
  get value(): Tensor {
    return float32(this.tensor);
  }
  /** What operators read: of a parameter the bfloat16 copy, where it has one. */
  get operand(): AnyTensor {
    return this.tensor;
  }
}

/** What applies operators: a tape, or a pass that is only run forward. */
export interface OperatorRunner {
  /** Runs the operator's forward pass. @returns its result, for the next operator */
  apply(operator: Operator, ...inputs: Variable[]): Variable;
  /** The same, of a result that more than the next operator reads. */
  applyKept(operator: Operator, ...inputs: Variable[]): Variable;
  /** Says of the operators that are applied next that they are made again in the backward pass; null:
   * what they make is kept. */
  remake(remade: Remade | null): void;
}

/**
 * Records the operators of a step and runs them backward.
 *
 * The first pass records; every later pass, begun by `begin`, must apply the same operators to
 * the same variables and replays into the same memory. A different sequence needs its own tape.
 */
export class Tape {
  readonly engine: Engine;
  readonly communicator: Communicator;
  readonly phases: PhaseClock;
  readonly #nodes: Node[] = [];
  readonly #memory: RemadeMemory;
  #remade: Remade | null = null;
  #applied = 0;
  #recording = true;
  /** Whether this pass has run backward, and so given the shared memory to earlier parts. */
  #ranBackward = false;

  /** @param phases the rank's clock, for who wants to know where the time goes */
  constructor(
    engine: Engine,
    communicator: Communicator,
    phases: PhaseClock = new HostPhaseClock(),
  ) {
    this.engine = engine;
    this.communicator = communicator;
    this.phases = phases;
    this.#memory = new RemadeMemory(engine);
  }

  /** A variable that operators read: data. With `needsGradient`, its gradient is kept. */
  variable(value: Tensor, needsGradient = false): Variable {
    return new Variable(value, needsGradient);
  }

  /** Starts a pass. Gradients of parameters go on accumulating until they are cleared. */
  begin(): void {
    if (this.#nodes.length > 0) this.#recording = false;
    this.#applied = 0;
    this.#ranBackward = false;
    for (const node of this.#nodes) node.begin();
  }

  /** @throws ShapeError when a later pass applies other operators than the first */
  apply(operator: Operator, ...inputs: Variable[]): Variable {
    let node = this.#nodes[this.#applied];
    if (node === undefined) {
      if (!this.#recording) throw changed(operator, 'more operators than');
      node = new Node(this, operator, inputs, this.#remade && this.#shared(this.#remade, inputs));
      this.#nodes.push(node);
    } else if (!node.matches(operator, inputs)) {
      throw changed(operator, 'not the operators and inputs of');
    }
    this.#applied++;
    return node.forward();
  }

  /** As `apply`: a tape keeps every result. */
  applyKept(operator: Operator, ...inputs: Variable[]): Variable {
    return this.apply(operator, ...inputs);
  }

  /** Says how operators that are recorded next are made again, by their place in a part. */
  remake(remade: Remade | null): void {
    this.#remade = remade;
  }

  #shared(remade: Remade, inputs: readonly Variable[]): Shared {
    const columns = inputs[0]?.tensor.shape[1] ?? 1;
    return { remade, take: this.#memory.of(remade, columns) };
  }

  /** The last part whose memory another part has taken since: it is made again, as all before it.
   * Those of the last two are there yet. */
  get #lastRemade(): number {
    const last = this.#nodes.reduce((most, { part }) => Math.max(most, part), -1);
    return last - 2;
  }

  /** Makes again what the operators of a part saved. */
  #makeAgain(part: number): void {
    for (const node of this.#nodes) if (node.part === part) node.makeAgain();
  }

  /**
   * Runs the pass backward from `from`, whose gradient is `dOutput` (default: ones). Operators
   * that `from` does not depend on are passed over.
   *
   * @param onBackward called when an operator has added its part to its inputs' gradients
   */
  backward(from: Variable, dOutput?: Tensor, onBackward?: (operator: Operator) => void): void {
    const gradient = float32((from.gradient ??= this.engine.allocate(from.value.shape)));
    if (dOutput === undefined) this.engine.fill(gradient, 1);
    else if (dOutput !== gradient) this.engine.copy(dOutput, gradient);
    from.gradientWritten = true;
    this.#ranBackward = true;
    let [within, lastRemade] = [-1, this.#lastRemade];
    for (let i = this.#applied - 1; i >= 0; i--) {
      const node = this.#nodes[i];
      if (node === undefined) continue;
      if (node.part !== within && node.part >= 0 && node.part <= lastRemade) {
        this.#makeAgain(node.part);
      }
      within = node.part;
      node.backward();
      onBackward?.(node.operator);
    }
  }

  /** The outputs of the recorded operators, in order, for inspection: those that are still there. Of
   * parts that are made again only what is kept is, once the backward pass has run. */
  outputs(): { operator: Operator; output: Variable }[] {
    const lastRemade = this.#ranBackward ? Infinity : this.#lastRemade;
    return this.#nodes
      .slice(0, this.#applied)
      .filter((node) => node.keepsOutput || node.part > lastRemade)
      .map((node) => ({ operator: node.operator, output: node.result }));
  }
}

function changed(operator: Operator, what: string): ShapeError {
  return new ShapeError(
    'tape',
    `${operator.name}: this pass has ${what} the first one; use a tape for each sequence`,
  );
}

/** Of an operator that is made again. */
interface Shared {
  readonly remade: Remade;
  readonly take: Take;
}

class Node implements OperatorContext {
  readonly engine: Engine;
  readonly communicator: Communicator;
  readonly phases: PhaseClock;
  readonly operator: Operator;
  readonly inputs: readonly AnyTensor[];
  readonly #variables: readonly Variable[];
  readonly #buffers = new Map<string, AnyTensor>();
  /** What keeps memory of its own. */
  readonly #whole: Engine;
  readonly #remade: Remade | null;
  #plan: unknown;
  #planned = false;
  #result: Variable | null = null;
  /** Whether what is allocated now is kept: the result of a part. */
  #keeps = false;
  again: Again = 'no';

  constructor(
    tape: Tape,
    operator: Operator,
    variables: readonly Variable[],
    shared: Shared | null,
  ) {
    const { engine } = tape;
    this.#whole = engine;
    this.#remade = shared?.remade ?? null;
    this.engine =
      shared === null
        ? engine
        : new ScratchEngine(engine, (shape, dtype) =>
            this.#keeps ? engine.allocate(shape, dtype) : shared.take(shape, dtype),
          );
    this.communicator = tape.communicator;
    this.phases = tape.phases;
    this.operator = operator;
    this.#variables = variables;
    this.inputs = variables.map((variable) => variable.operand);
  }

  /** The part that is made again which it belongs to; -1: none. */
  get part(): number {
    return this.#remade?.part ?? -1;
  }
  get keepsOutput(): boolean {
    return this.#remade === null || this.#remade.closes;
  }

  get result(): Variable {
    if (this.#result === null) throw new ShapeError('tape', `${this.operator.name} has not run`);
    return this.#result;
  }
  get output(): AnyTensor {
    return this.result.tensor;
  }

  matches(operator: Operator, variables: readonly Variable[]): boolean {
    return (
      operator === this.operator &&
      variables.length === this.#variables.length &&
      variables.every((variable, i) => variable === this.#variables[i])
    );
  }

  /** Forgets the gradients of inputs that are not parameters: a new pass writes them anew. */
  begin(): void {
    for (const variable of this.#variables) {
      if (!(variable instanceof Parameter)) variable.gradientWritten = false;
    }
  }

  forward(): Variable {
    this.#keeps = this.#remade?.closes ?? false;
    const output = this.operator.forward(this, ...this.inputs);
    this.#keeps = false;
    this.phases.enter(PHASE.other);
    if (this.#result === null) {
      const needsGradient = this.#variables.some((variable) => variable.needsGradient);
      this.#result = new Variable(output, needsGradient);
    } else if (output !== this.#result.tensor) {
      throw new ShapeError(
        'tape',
        `${this.operator.name} returned another tensor than in the first pass; save it in a buffer`,
      );
    }
    this.#result.gradientWritten = false;
    return this.#result;
  }

  makeAgain(): void {
    const again = this.#remade?.again ?? 'no';
    if (again === 'no') return;
    this.again = again;
    this.operator.forward(this, ...this.inputs);
    this.again = 'no';
    this.phases.enter(PHASE.other);
  }

  backward(): void {
    const { gradient, gradientWritten, needsGradient } = this.result;
    if (!needsGradient || !gradientWritten || gradient === null) return;
    this.operator.backward(this, gradient);
    this.phases.enter(PHASE.other);
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
      buffer = this.engine.allocate(shape, dtype);
      this.#buffers.set(name, buffer);
    } else if (buffer.dtype !== dtype || buffer.length !== elementCount(shape)) {
      throw new ShapeError('tape', `${this.operator.name}: buffer ${name} changed to [${shape}]`);
    }
    return buffer;
  }

  keptBuffer(dtype: Dtype, name: string, ...shape: number[]): AnyTensor {
    const before = this.#keeps;
    this.#keeps = true;
    const buffer = this.bufferOf(dtype, name, ...shape);
    this.#keeps = before;
    return buffer;
  }

  #input(i: number): Variable {
    const variable = this.#variables[i];
    if (variable === undefined)
      throw new ShapeError('tape', `${this.operator.name}: no input ${i}`);
    return variable;
  }

  needsGradient(i: number): boolean {
    return this.#input(i).needsGradient;
  }

  gradient(i: number): Tensor | null {
    const variable = this.#input(i);
    if (!variable.needsGradient) return null;
    const engine = variable instanceof Parameter ? this.#whole : this.engine;
    return float32((variable.gradient ??= engine.allocate(variable.tensor.shape)));
  }

  gradientBeta(i: number): 0 | 1 {
    const variable = this.#input(i);
    const beta = variable.gradientWritten ? 1 : 0;
    variable.gradientWritten = true;
    return beta;
  }

  giveGradient(i: number, gradient: AnyTensor): void {
    const variable = this.#input(i);
    if (!variable.needsGradient) return;
    if (variable.gradientWritten && variable.gradient !== null) {
      this.engine.axpy(1, float32(gradient), float32(variable.gradient));
    } else if (variable instanceof Parameter) {
      // A parameter's gradient goes on accumulating: it needs memory of its own.
      variable.gradient ??= this.#whole.allocate(variable.value.shape);
      this.engine.copy(float32(gradient), float32(variable.gradient));
    } else {
      variable.gradient = gradient;
    }
    variable.gradientWritten = true;
  }
}

/** What a parameter is made with. */
export interface ParameterOptions {
  readonly name: string;
  /** The block that it belongs to. */
  readonly block: number;
  readonly shape: readonly number[];
  /** Default: the checkpoint holds the tensor as it is. */
  readonly slice?: ParameterSlice | null;
  /** What products take it in. Default: float32. */
  readonly compute?: Dtype;
}

/**
 * A trained tensor: it belongs to exactly one block, and its gradient outlives a pass. Where products
 * take bfloat16 it has a `copy` in that, which optimizers keep up to date; who writes the value
 * otherwise calls `rounded`.
 */
export class Parameter extends Variable {
  readonly name: string;
  readonly block: number;
  /** Null when the checkpoint holds the tensor as it is. */
  readonly slice: ParameterSlice | null;
  readonly copy: Tensor<'bfloat16'> | null;
  /** In whose memory it is. */
  readonly engine: Engine;

  constructor(
    engine: Engine,
    { name, block, shape, slice = null, compute = 'float32' }: ParameterOptions,
  ) {
    super(engine.allocate(shape), true);
    this.copy = compute === 'float32' ? null : engine.allocate(shape, compute);
    this.engine = engine;
    this.name = name;
    this.block = block;
    this.slice = slice;
  }

  override get operand(): AnyTensor {
    return this.copy ?? this.tensor;
  }

  /** Makes the copy from the value. */
  rounded(): void {
    if (this.copy !== null) this.engine.encodeRows('bfloat16', this.value, bytesOf(this.copy));
  }

  /** The gradient that a backward pass has left. @throws ShapeError when there was none */
  get computedGradient(): Tensor {
    if (this.gradient === null) throw new ShapeError('tape', `${this.name} has no gradient yet`);
    return float32(this.gradient);
  }

  /** Forgets the gradient: the next backward pass writes it anew. */
  clearGradient(): void {
    this.gradientWritten = false;
  }
}
