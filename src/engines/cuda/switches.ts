import { UnsupportedError } from '../../base/errors.js';

/** @throws UnsupportedError where the variable is neither on nor off */
export function isOn(variable: string): boolean {
  const { [variable]: value = 'on' } = process.env;
  if (value === 'on' || value === 'off') return value === 'on';
  throw new UnsupportedError('cuda', `${variable} is ${value}; it is on or off`);
}
