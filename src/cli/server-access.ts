import { ConfigError } from '../base/errors.js';
import { readSmall } from '../base/regular-file.js';
import type { FlagTable } from './flags.js';

/** Who can reach a server, and with what. */
export const ACCESS_FLAGS = {
  host: {
    kind: 'text',
    placeholder: 'address',
    about: 'address to listen on; the default is reachable from this machine only',
    initial: '127.0.0.1',
  },
  allowHost: {
    kind: 'text',
    placeholder: 'names',
    about: 'other host names that requests may be addressed to, with commas; *: any',
    initial: null,
  },
  tokenFile: {
    kind: 'text',
    placeholder: 'file',
    about: 'file with the bearer token',
    initial: null,
  },
} as const satisfies FlagTable;

/** Of a token file, with room. */
const MOST_TOKEN_BYTES = 64 << 10;

/** Whether nothing but this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return /^(127\.|::1$|localhost$)/.test(host);
}

/**
 * What the flags say of who may ask.
 *
 * @param where who says what is wrong with them
 * @param variable of the environment, which may hold the token
 * @throws ConfigError when the token cannot be read, or is empty
 */
export function readAccess(
  {
    allowHost,
    tokenFile,
  }: { readonly allowHost: string | null; readonly tokenFile: string | null },
  where: string,
  variable: string,
): { hosts: string[]; token: string | null } {
  const names = (allowHost ?? '').split(',').map((name) => name.trim());
  return {
    hosts: names.filter((name) => name !== ''),
    token: readToken(tokenFile, where, variable),
  };
}

function readToken(file: string | null, where: string, variable: string): string | null {
  let token = process.env[variable] ?? null;
  if (file !== null) {
    try {
      token = readSmall(file, MOST_TOKEN_BYTES).toString('utf8');
    } catch (error) {
      throw new ConfigError(where, `${file}: ${(error as Error).message}`);
    }
  }
  if (token === null) return null;
  const trimmed = token.trim();
  if (trimmed !== '') return trimmed;
  throw new ConfigError(where, `the token of ${file ?? variable} is empty`);
}
