import { UnsupportedError } from '../base/errors.js';
import { type Dtype, type HostTensor, hostView, type Tensor } from '../tensor/tensor.js';
import type { Engine } from './engine.js';

/** An engine in the host's memory, for work that goes over the elements of tensors in JavaScript as well. */
export interface HostEngine extends Engine {
  readonly asynchronous: false;
  allocate(shape: readonly number[]): HostTensor;
  allocate(shape: readonly number[], dtype: 'bfloat16'): HostTensor<'bfloat16'>;
  allocate(shape: readonly number[], dtype: Dtype): HostTensor | HostTensor<'bfloat16'>;
}

/** The engine, where its memory is the host's.
 * @param where who needs it
 * @throws UnsupportedError where it is another's; it is closed then */
export function inHostMemory(engine: Engine, where: string): HostEngine {
  if (isInHostMemory(engine)) return engine;
  engine.close();
  const what = `engine ${engine.name} has a memory of its own; needs that of the host`;
  throw new UnsupportedError(where, `${what}: choose blas or wasm`);
}

function isInHostMemory(engine: Engine): engine is HostEngine {
  return !engine.asynchronous;
}

/** Writes a tensor by a function of its numbers: straight into its memory where the host can reach it,
 * else into an array that is copied there.
 * @param write writes every number of what it is given */
export function writeFromHost(
  engine: Engine,
  tensor: Tensor,
  write: (numbers: Float32Array) => void,
): void {
  const view = hostView(tensor);
  const numbers = view ?? new Float32Array(tensor.length);
  write(numbers);
  if (view === null) engine.toDevice(numbers, tensor);
}
