import { badRequest } from './protocol-error.js';

/** Clients that write out all fields leave those that are not given null. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

export function refuseSharedMemory(parameters: Record<string, unknown>): void {
  if (isGiven(parameters['shared_memory_region'])) {
    throw badRequest('shared memory is not supported; tensors travel in the body');
  }
}

export function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw badRequest(`${what} is ${quote(value)}; needs an object`);
}

export function optionalObject(value: unknown, what: string): Record<string, unknown> {
  return isGiven(value) ? objectOf(value, what) : {};
}

export function quote(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
