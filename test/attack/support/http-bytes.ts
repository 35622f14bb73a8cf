// Bytes that are almost HTTP, from a seed.
import { inferBody, rowsOf } from '../../support/inference-client.js';
import { Dice } from './infer-bodies.js';
import { rawRequest } from './served.js';

export interface FuzzedBytes {
  readonly what: string;
  readonly bytes: Buffer;
  /** Lengths of the pieces they are sent in. */
  readonly piece: number;
}

const LINES = [
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Content-Length: 1, 2',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding : chunked',
  'Expect: 100-continue',
  'Expect: 200-ok',
  'Upgrade: websocket\r\nConnection: Upgrade',
  'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings',
  'Connection: close',
  'Host: localhost',
  'Host: a b',
  'Host: [::1',
  'Host: \u00e9',
  'Host:',
  'Origin: null',
  'Authorization: Bearer \u00ff',
  'X: \0',
  ' folded: line',
  'no colon',
  ': empty',
  `Long: ${'x'.repeat(20_000)}`,
  ...Array.from({ length: 3 }, (_, i) =>
    Array.from({ length: 900 * (i + 1) }, (_n, j) => `h${j}: ${j}`).join('\r\n'),
  ),
];
const FIRST = [
  'GET /v2/health/live HTTP/1.1',
  'GET http://localhost/v2 HTTP/1.1',
  'GET http://evil.example/v2 HTTP/1.1',
  'GET //evil.example/v2 HTTP/1.1',
  'GET /v2/models/%ff HTTP/1.1',
  'GET /v2/models/%00/ready HTTP/1.1',
  'GET /v2/models/%2e%2e/%2e%2e HTTP/1.1',
  `GET /${'a/'.repeat(5000)} HTTP/1.1`,
  'GET /v2?\0 HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'CONNECT localhost:1 HTTP/1.1',
  'TRACE / HTTP/1.1',
  'HEAD /v2/models/m HTTP/1.1',
  'DELETE /v2/models/m HTTP/1.1',
  'PRI * HTTP/2.0',
  'POST /v2/models/m/infer HTTP/0.9',
  'POST /v2/models/m/infer HTTP/1.0',
  'POST /v2/models/m/infer HTTP/9.9',
  'post /v2/models/m/infer HTTP/1.1',
  'POST  /v2/models/m/infer  HTTP/1.1',
  '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
  '',
];

/** The `index`-th bytes of a seed. */
export function fuzzedBytes(seed: number, index: number): FuzzedBytes {
  const dice = new Dice(seed, `bytes ${index}`);
  const right = rawRequest('/v2/models/m/infer', JSON.stringify(inferBody(rowsOf(1))));
  const head = right.subarray(0, right.indexOf('\r\n\r\n')).toString('latin1');
  const body = right.subarray(right.indexOf('\r\n\r\n') + 4);
  let bytes: Buffer = right;
  const what = dice.pick(['line', 'first line', 'bytes', 'cut', 'pipelined', 'chunks', 'noise']);
  if (what === 'line' || what === 'first line') {
    const lines = head.split('\r\n');
    if (what === 'line') lines.splice(1 + dice.integer(lines.length), 0, dice.pick(LINES));
    else lines[0] = dice.pick(FIRST);
    const end = dice.pick(['\r\n', '\r\n', '\n', '\r']);
    bytes = Buffer.concat([Buffer.from(`${lines.join(end)}${end}${end}`, 'latin1'), body]);
  } else if (what === 'bytes') {
    bytes = Buffer.from(right);
    for (let i = 1 + dice.integer(4); i > 0; i--) {
      bytes[dice.integer(bytes.length)] = dice.integer(256);
    }
  } else if (what === 'cut') {
    bytes = right.subarray(0, dice.integer(right.length));
  } else if (what === 'pipelined') {
    const part = right.subarray(0, dice.integer(right.length));
    bytes = Buffer.concat([...Array.from({ length: dice.integer(20) }, () => right), part]);
  } else if (what === 'chunks') {
    const size = dice.pick([
      body.length.toString(16),
      '0',
      '-1',
      'fffffffffffffffff',
      'x',
      '5;a=b',
    ]);
    const lines = head.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked');
    const end = dice.pick(['\r\n0\r\n\r\n', '\r\n0\r\nTrailer: x\r\n\r\n', '0\r\n\r\n', '']);
    bytes = Buffer.concat([Buffer.from(`${lines}\r\n\r\n${size}\r\n`), body, Buffer.from(end)]);
  } else {
    bytes = Buffer.from(Array.from({ length: 1 + dice.integer(2000) }, () => dice.integer(256)));
  }
  return { what, bytes, piece: dice.pick([bytes.length, 1 + dice.integer(100)]) };
}
