// A phantom layer whose ghosts pass through a function on their way: see README.md in this folder.
import type { Operator, OperatorContext } from '#src/autograd/operator.js';
import {
  Communicator,
  type Moved,
  type PendingCollective,
} from '#src/communicators/communicator.js';
import { hostOf } from '#src/communicators/operands.js';
import { ACTIVATIONS } from '#src/engines/activations.js';
import { KINDS } from '#src/layers/kinds.js';
import type { LayerKind } from '#src/layers/kind.js';
import type { AnyTensor, Tensor } from '#src/tensor/tensor.js';

export const GHOST_ACTIVATIONS = ['identity', 'silu', 'tanh'] as const;
export type GhostActivation = (typeof GHOST_ACTIVATIONS)[number];

interface Curve {
  readonly value: (g: number) => number;
  readonly slope: (g: number) => number;
}

const sigmoid = (g: number) => 1 / (1 + Math.exp(-g));

/** Each with E[φ(g)²] = 1 of a normal g, so that initial weights hold the variance as without it. */
const CURVES: Readonly<Record<Exclude<GhostActivation, 'identity'>, Curve>> = {
  silu: scaled(ACTIVATIONS.silu.secondMoment, {
    value: (g) => g * sigmoid(g),
    slope: (g) => sigmoid(g) * (1 + g * (1 - sigmoid(g))),
  }),
  tanh: scaled(ACTIVATIONS.tanh.secondMoment, {
    value: Math.tanh,
    slope: (g) => 1 - Math.tanh(g) ** 2,
  }),
};

function scaled(secondMoment: number, { value, slope }: Curve): Curve {
  const factor = 1 / Math.sqrt(secondMoment);
  return { value: (g) => factor * value(g), slope: (g) => factor * slope(g) };
}

/**
 * z_j = L_j x_j + D_j G_{≠j} with G = allGather(φ(C_j x_j)); backward, what returns for the ghosts is
 * multiplied by φ′ of what was sent: h_j = φ′(C_j x_j) ∘ Σ over j of D_jᵀ dz_j. All else is a phantom layer.
 */
export function activatedKind(name: GhostActivation): LayerKind {
  if (name === 'identity') return KINDS.phantom;
  const curve = CURVES[name];
  return {
    ...KINDS.phantom,
    operator: (layer, layout) => new Activated(KINDS.phantom.operator(layer, layout), curve),
  };
}

class Activated implements Operator {
  readonly name: string;
  readonly #layer: Operator;
  readonly #curve: Curve;
  readonly #contexts = new Map<OperatorContext, OperatorContext>();

  constructor(layer: Operator, curve: Curve) {
    this.name = layer.name;
    this.#layer = layer;
    this.#curve = curve;
  }

  forward(context: OperatorContext, ...inputs: AnyTensor[]): AnyTensor {
    return this.#layer.forward(this.#within(context), ...inputs);
  }

  backward(context: OperatorContext, dOutput: AnyTensor): void {
    this.#layer.backward(this.#within(context), dOutput);
  }

  /** The same place, with the function on what is exchanged there. */
  #within(context: OperatorContext): OperatorContext {
    let own = this.#contexts.get(context);
    if (own === undefined) {
      const communicator = new ActivatedExchange(context.communicator, this.#curve);
      own = new Proxy(context, {
        get(target, key) {
          if (key === 'communicator') return communicator;
          const value = Reflect.get(target, key, target) as unknown;
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      this.#contexts.set(context, own);
    }
    return own;
  }
}

/** Of one layer: forward an all-gather, backward a reduce-scatter. */
class ActivatedExchange extends Communicator {
  readonly #curve: Curve;
  /** Of the rank's ghosts as they were sent. */
  #slopes = new Float32Array();

  constructor({ transport }: Communicator, curve: Curve) {
    super(transport);
    this.#curve = curve;
  }

  override startAllGather(send: Moved, receive: Moved): PendingCollective {
    const ghosts = hostOf(send);
    if (!(ghosts instanceof Float32Array)) {
      throw new TypeError(
        '[ghost-activation] ghosts are bytes; only float32 ghosts have a function',
      );
    }
    if (this.#slopes.length !== ghosts.length) this.#slopes = new Float32Array(ghosts.length);
    for (const [i, g] of ghosts.entries()) {
      this.#slopes[i] = this.#curve.slope(g);
      ghosts[i] = this.#curve.value(g);
    }
    return super.startAllGather(send, receive);
  }

  override startReduceScatterSum(
    send: Float32Array | Tensor,
    receive: Float32Array | Tensor,
  ): PendingCollective {
    const sum = super.startReduceScatterSum(send, receive);
    const [slopes, gradients] = [this.#slopes, hostOf(receive)];
    return {
      wait() {
        sum.wait();
        for (const [i, slope] of slopes.entries()) gradients[i] = (gradients[i] ?? 0) * slope;
      },
    };
  }
}
