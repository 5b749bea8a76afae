import { randomBytes } from 'node:crypto';
import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { Problem, problemBody } from './problem.js';

/** Codes of Node's HTTP server for what it could not read, in the order they are looked for. */
const TIMEOUT = 'ERR_HTTP_REQUEST_TIMEOUT';
const HEADERS_TOO_LARGE = 'HPE_HEADER_OVERFLOW';

/** A new id of a request. */
export const newRequestId = (): string => `req_${randomBytes(9).toString('base64url')}`;

/**
 * Answers on a connection whose bytes are no request, or one that no router sees, and ends it. Nothing is written where an answer is
 * under way: the client would take it for a part of that.
 */
export function answerRaw(socket: Duplex, problem: Problem, headers: Readonly<Record<string, string>>): void {
  const { _httpMessage: response } = socket as { _httpMessage?: ServerResponse };
  if (!socket.writable || response?.headersSent) {
    socket.destroy();
    return;
  }
  const requestId = newRequestId();
  const body = problemBody(problem, requestId);
  const lines = Object.entries({
    ...headers,
    'content-type': 'application/problem+json',
    'x-request-id': requestId,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}`);
  socket.end(`${[`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`, ...lines].join('\r\n')}\r\n\r\n${body}`, () =>
    socket.destroy(),
  );
}

/** What to answer where Node's parser has given up. */
export function problemOfUnreadable({ code }: { code?: string }): Problem {
  if (code === TIMEOUT) return new Problem('request-timeout', 'the request did not arrive in time');
  if (code === HEADERS_TOO_LARGE) return new Problem('headers-too-large', 'the address and the headers have at most 16 KiB');
  return new Problem('malformed-request', 'what was sent is not HTTP');
}

/** Serves requests that expect more than `100-continue` like any other (RFC 9110 lets a server do so): Node answers 417 without a word. */
export function ignoreExpectations(server: Server): void {
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}
