import type { Server } from 'node:http';
import { ConfigError } from '../../base/errors.js';

/**
 * Listens, and tells the address as a URL.
 *
 * @param at `where`: who says so where it cannot; port 0: any that is free
 * @throws ConfigError when it cannot
 */
export function listen(
  server: Server,
  { where, host, port }: { readonly where: string; readonly host: string; readonly port: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const free = error.code === 'EADDRINUSE' ? '; choose another --port' : '';
      reject(new ConfigError(where, `cannot listen on ${host}:${port}: ${error.message}${free}`));
    });
    server.listen(port, host, () => {
      const bound = server.address();
      const actual = typeof bound === 'object' && bound !== null ? bound.port : port;
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${actual}`);
    });
  });
}
