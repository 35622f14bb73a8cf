import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { ProtocolError } from './protocol-error.js';

/** Who may ask for what. */
export interface AdmissionOptions {
  /** What a request has to carry, apart from those for health and the page; null: nothing. */
  readonly token: string | null;
  /** Names that requests may be addressed to, besides those of the loopback interface and the
   * address that a connection came to; `*`: any. */
  readonly hosts: readonly string[];
  /** Whether models may be loaded and unloaded without a token. */
  readonly control: boolean;
}

/** What is answered without a token. The page has no data: a browser cannot send a token with the
 * address that is typed. */
const OPEN: ReadonlySet<string> = new Set(['/', '/v2/health/live', '/v2/health/ready']);
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
/** What browsers send across sites without asking first are forms and plain text. */
const BODY_TYPES = ['application/json', 'application/octet-stream'];

/**
 * Decides whether a request is taken up at all. A web page that a user of this machine has opened may
 * send requests here, under a name of its own that it has pointed at this address; none of them gets
 * through: the Host has to be known, an Origin the same, and a body of a type that forms cannot send.
 */
export class Admission {
  readonly #hosts: ReadonlySet<string>;
  readonly #token: Buffer | null;
  readonly #control: boolean;

  constructor({ token, hosts, control }: AdmissionOptions) {
    this.#hosts = new Set(hosts.map((host) => hostName(inBrackets(host))));
    this.#token = token === null ? null : digest(Buffer.from(token));
    this.#control = control || token !== null;
  }

  /** @throws ProtocolError for a request that is not taken up */
  check(incoming: IncomingMessage): void {
    const { headers } = incoming;
    const { host, origin } = headers;
    // Browsers always send it; a probe that speaks HTTP/1.0 may not.
    if (host !== undefined && !this.#isKnown(host, incoming)) {
      const shown = JSON.stringify(host.slice(0, 80));
      const remedy = 'start the server with --allow-host and this name';
      throw new ProtocolError('forbidden', `Host is ${shown}, which is not this server; ${remedy}`);
    }
    if (origin !== undefined && !isSame(origin, host)) {
      const shown = JSON.stringify(origin.slice(0, 80));
      throw new ProtocolError('forbidden', `Origin is ${shown}; web pages are not served`);
    }
    const path = (incoming.url ?? '').split('?', 1)[0] ?? '';
    // Whole addresses: one that only begins so could lead elsewhere, as /v2/health/../../metrics does.
    if (this.#token !== null && !OPEN.has(path)) this.#checkToken(headers);
  }

  /** Of a request with a body. @throws ProtocolError for a type that it may not have */
  checkType({ headers }: IncomingMessage): void {
    const hasBody =
      headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    if (!hasBody) return;
    const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
    // Clients that are no browsers leave it out.
    if (type === undefined && headers.origin === undefined) return;
    if (type !== undefined && BODY_TYPES.includes(type)) return;
    const shown = type === undefined ? 'missing' : JSON.stringify(type.slice(0, 40));
    const what = `Content-Type is ${shown}; needs one of ${BODY_TYPES.join(', ')}`;
    throw new ProtocolError('unsupported', what);
  }

  /** Of a request to load or unload. @throws ProtocolError unless the server allows that */
  checkControl(): void {
    if (this.#control) return;
    const remedy = 'start the server with --token-file or --allow-control';
    throw new ProtocolError(
      'forbidden',
      `models are not loaded or unloaded by requests; ${remedy}`,
    );
  }

  #isKnown(host: string, { socket }: IncomingMessage): boolean {
    const name = hostName(host);
    if (LOOPBACK.test(name) || this.#hosts.has(name) || this.#hosts.has('*')) return true;
    // Only names can be pointed elsewhere: who asks for this address means this server.
    return name === inBrackets(socket.localAddress?.replace(/^::ffff:/, '') ?? '');
  }

  /** Compares hashes: the time tells neither the token's length nor how much of it was right. */
  #checkToken({ authorization = '' }: IncomingMessage['headers']): void {
    const [, given = ''] = /^bearer +(.*)$/i.exec(authorization) ?? [];
    // Headers arrive as Latin-1, a character a byte.
    if (timingSafeEqual(digest(Buffer.from(given, 'latin1')), this.#token as Buffer)) return;
    throw new ProtocolError('unauthorized', 'a valid bearer token is needed');
  }
}

/** In lower case, without port and final dot. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
}

/** An IPv6 address as it stands in a Host. */
function inBrackets(address: string): string {
  return isIP(address) === 6 ? `[${address}]` : address;
}

function isSame(origin: string, host: string | undefined): boolean {
  return origin.toLowerCase().replace(/^https?:\/\//, '') === host?.toLowerCase();
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
