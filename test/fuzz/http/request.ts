import type { Draw } from '../engine/draw.js';
import { mutatedBytes } from '../engine/mutate.js';
import { halves, shorterBytes, shorterLists, shorterTexts } from '../engine/shrink.js';

/** A request as data, so that it can be made smaller part by part. */
export interface HttpRequest {
  method: string;
  /** As it goes over the wire: encoded where it is to be encoded. */
  path: string;
  /** `name=value` as they go over the wire. */
  query: string[];
  headers: [name: string, value: string][];
  body?: Buffer;
  /** The bytes that are sent in place of all this. */
  raw?: Buffer;
  /** Where it leads, as far as whoever made it knows: `GET /v1/creators`. */
  route: string;
}

const SHOWN_MAX = 2_000;

/** A text in an address, percent-encoded; what is no character becomes U+FFFD. */
export const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString());

/** The bytes of a request. */
export function bytesOf({ method, path, query, headers, body, raw }: HttpRequest): Buffer {
  if (raw) return raw;
  const target = query.length === 0 ? path : `${path}?${query.join('&')}`;
  const framing: [string, string][] =
    body && !headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name)) ? [['content-length', String(body.length)]] : [];
  const head = [`${method} ${target} HTTP/1.1`, ...[...headers, ...framing].map(([name, value]) => `${name}: ${value}`), '', ''].join(
    '\r\n',
  );
  // Characters beyond Latin-1 are sent as UTF-8, as clients of other languages do.
  return Buffer.concat([Buffer.from(head, 'utf8'), body ?? Buffer.alloc(0)]);
}

/** Smaller forms of a request: without its body, its headers, its parameters; then with less of each. */
export function* smallerRequests(request: HttpRequest): Generator<HttpRequest> {
  const { raw, body, query, headers, path } = request;
  if (raw) {
    for (const less of shorterBytes(raw)) yield { ...request, raw: less };
    return;
  }
  if (body) {
    yield { ...request, body: undefined };
    for (const less of shorterBytes(body)) yield { ...request, body: less };
  }
  for (const less of shorterLists(query)) yield { ...request, query: less };
  for (const less of shorterLists(headers)) yield { ...request, headers: less };
  for (const [at, pair] of query.entries()) for (const less of shorterTexts(pair)) yield { ...request, query: query.with(at, less) };
  for (const less of halves(path.slice(1), (head, tail) => head + tail)) yield { ...request, path: `/${less}` };
}

/** A request for people, with what a key is left out. */
export function shownRequest(request: HttpRequest): string {
  const text = bytesOf(request)
    .subarray(0, SHOWN_MAX)
    .toString('latin1')
    .replace(/trib_\w+/g, 'trib_..');
  return text
    .split('\r\n')
    .map((line) => JSON.stringify(line).slice(1, -1))
    .join('\n');
}

/** What breaks the framing of a request, each made of a sound one. */
const BREAKS: readonly ((bytes: Buffer, draw: Draw) => Buffer)[] = [
  (bytes, draw) => mutatedBytes(bytes, draw),
  (bytes, draw) => bytes.subarray(0, draw.below(bytes.length)),
  (bytes) => replaced(bytes, 'HTTP/1.1', 'HTTP/1.0'),
  (bytes, draw) => replaced(bytes, 'HTTP/1.1', draw.pick(['HTTP/0.9', 'HTTP/2.0', 'HTTP/9.9', 'http/1.1', 'HTTP/1.', 'HTTQ/1.1', ''])),
  (bytes, draw) => replaced(bytes, '\r\n', draw.pick(['\n', '\r', '\r\n \r\n', '\r\n\r\n', '\0\r\n', ' \r\n'])),
  (bytes, draw) =>
    headed(bytes, `content-length: ${draw.pick(['-1', '0x10', '1e3', '99999999999999999999', '5, 6', '', ' ', '+5', '4294967296'])}`),
  (bytes) => headed(bytes, 'content-length: 5\r\ncontent-length: 6'),
  (bytes) => headed(bytes, 'content-length: 5\r\ntransfer-encoding: chunked'),
  (bytes, draw) =>
    headed(
      bytes,
      `transfer-encoding: ${draw.pick(['chunked, chunked', 'gzip, chunked', 'identity', 'xchunked', 'chunked\r\ntransfer-encoding: x'])}`,
    ),
  (bytes, draw) =>
    Buffer.concat([
      headed(bytes, 'transfer-encoding: chunked'),
      Buffer.from(
        draw.pick([
          'zz\r\n',
          '-1\r\n',
          '5\r\nab\r\n0\r\n\r\n',
          'ffffffffffffffff\r\nx',
          '0\r\n',
          '3;ext="\0"\r\nabc\r\n0\r\n\r\n',
          '0\r\nx: y\r\n\r\n',
        ]),
      ),
    ]),
  (bytes, draw) =>
    headed(
      bytes,
      draw.pick(['no colon at all', ': no name', 'na me: x', 'x\0y: z', 'x: a\0b', ' x: folded', 'x: a\r\n b', '\u00e9: x', 'x: \u0001']),
    ),
  (bytes, draw) => headed(bytes, `x: ${'a'.repeat(draw.pick([8_000, 17_000, 200_000]))}`),
  (bytes, draw) => headed(bytes, Array.from({ length: draw.pick([50, 500, 3_000]) }, (_, i) => `x-${i}: y`).join('\r\n')),
  (bytes, draw) => headed(bytes, `expect: ${draw.pick(['100-continue', '100-Continue', 'nothing', '', '200-ok', '100-continue, x'])}`),
  (bytes, draw) =>
    headed(
      bytes,
      `connection: upgrade\r\nupgrade: ${draw.pick(['websocket', 'h2c', 'TLS/1.0', 'x'])}\r\nsec-websocket-key: ${draw.pick(['dGhlIHNhbXBsZSBub25jZQ==', '', 'x'])}\r\nsec-websocket-version: ${draw.pick(['13', '8', ''])}`,
    ),
  (bytes, draw) =>
    headed(
      bytes,
      `host: ${draw.pick(['', 'evil.example', '[', '[::1', 'a b', '127.0.0.1:99999999', 'x'.repeat(5_000), 'localhost\r\nhost: evil.example'])}`,
    ),
  (bytes, draw) =>
    replaced(bytes, ' /', ` ${draw.pick(['http://evil.example/', 'https://127.0.0.1/', '*', '//', '/\\', '\u0000/', '?', '#', ' /'])}`),
  (bytes, draw) =>
    replaced(
      bytes,
      ' /',
      ` /${draw.pick(['%', '%2', '%zz', '%00', '%ff%fe', '%c0%80', '%ed%a0%80', '\u00ff', ' ', '../', './', ';a=b/', 'a'.repeat(20_000)])}`,
    ),
  (bytes, draw) => Buffer.concat(Array.from({ length: draw.between(2, 20) }, () => bytes)),
  (bytes) => Buffer.concat([bytes, Buffer.from('garbage after the end')]),
  (_bytes, draw) =>
    Buffer.from(
      draw.pick([
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
        'GET\r\n\r\n',
        '\r\n\r\n\r\n',
        '\0\0\0\0',
        'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n',
        'OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n',
        'TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\n',
        '*1\r\n$4\r\nPING\r\n',
      ]),
      'latin1',
    ),
];

/** A request whose framing is broken, made of a sound one. */
export function brokenRequest(sound: HttpRequest, draw: Draw): HttpRequest {
  return { ...sound, raw: draw.pick(BREAKS)(bytesOf(sound), draw) };
}

/** The first place of a text in bytes, replaced. */
function replaced(bytes: Buffer, text: string, by: string): Buffer {
  const at = bytes.indexOf(text);
  return at < 0 ? bytes : Buffer.concat([bytes.subarray(0, at), Buffer.from(by), bytes.subarray(at + text.length)]);
}

/** With further header lines in front of the others. */
function headed(bytes: Buffer, lines: string): Buffer {
  return replaced(bytes, '\r\n', `\r\n${lines}\r\n`);
}
