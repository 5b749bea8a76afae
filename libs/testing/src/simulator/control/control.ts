/**
 * The control API, `http://HOST:PORT/sim/...`, JSON in and out; bad input is 400 `{message}` that names the field. Requests that
 * a page of another origin makes are 403.
 *
 *   POST   /sim/sign {url, userAgent}          what TikTok's page SDK would do: {signedUrl, userAgent, tokens}
 *   GET    /sim/rooms                          all rooms; `connectedAt` is when the newest open WebSocket was opened, or null
 *   POST   /sim/rooms {uniqueId, nickname?, title?, rate?, live?, gated?, loginNeeded?}
 *   POST   /sim/rooms/batch {count, prefix?, rate?, live?}      opens prefix0001, prefix0002, ...
 *   PATCH  /sim/rooms {rate, prefix?}          all rooms, or those whose handle begins so: {changed}
 *   GET    /sim/rooms/:uniqueId                one room: its numbers, `sent` and `delivered`, for each broadcast
 *   PATCH  /sim/rooms/:uniqueId {live?, end?, rate?, gated?, loginNeeded?, title?, nickname?}   end: false = no streamEnd
 *   DELETE /sim/rooms/:uniqueId   and   DELETE /sim/rooms      one, all
 *   GET    /sim/rooms/:uniqueId/ledger?after=&limit=            NDJSON {n, roomId, msgId, method, at, wire, connections, acked, gift?}
 *   GET    /sim/rooms/:uniqueId/connections    open and past WebSockets
 *   POST   /sim/rooms/:uniqueId/burst {messages, perFrame?}     that many messages of the usual mix now
 *   POST   /sim/faults {kind, uniqueId?, path?, durationMs?, ratePerMinute?, count?, bytes?, compressed?, bytesPerSecond?}
 *   GET    /sim/faults, GET /sim/faults/log, DELETE /sim/faults, DELETE /sim/faults/:id
 *   POST   /sim/replay {uniqueId, payloads: [{method, payloadBase64, msgId?}], rate?, perFrame?, wait?}   -> {id, ...}
 *   GET    /sim/replay/:id                     {total, sent, acked, done}
 *   GET    /sim/stats, GET /healthz
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isForeignPage } from '@tributary/runtime/foreign-page';
import { methodsOf, NotFound, type ControlRequest, type Reply, routeFor } from './control-routes.js';
import { InputError } from './input.js';
import { pathOf, queryOf } from '../tiktok/request.js';
import type { SimulatorCore } from '../simulator-core.js';

/** Whether a path belongs to the control API; all others are TikTok's. */
export function isControl(path: string): boolean {
  return path.startsWith('/sim/') || path === '/healthz';
}

/** Answers a request under `/sim/`. */
export async function handleControl(simulator: SimulatorCore, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const reply = isForeignPage(request.headers)
    ? { status: 403, body: { message: 'pages of other origins may not control the simulator' } }
    : await replyTo(simulator, request, response);
  if (reply) send(reply, response);
}

/** Undefined where the answer is on its way already. */
async function replyTo(simulator: SimulatorCore, request: IncomingMessage, response: ServerResponse): Promise<Reply | undefined> {
  const path = pathOf(request).replace(/\/$/, '');
  const method = request.method ?? '';
  // Node sends no body in answer to HEAD.
  const found = routeFor(method === 'HEAD' ? 'GET' : method, path);
  if (!found) return unknown(method, path);
  const control: ControlRequest = { simulator, request, response, names: found.names, query: queryOf(request) };
  try {
    return await found.handle(control);
  } catch (error) {
    if (error instanceof InputError || error instanceof RangeError || error instanceof URIError)
      return { status: 400, body: { message: error.message } };
    if (error instanceof NotFound) return { status: 404, body: { message: error.message } };
    throw error;
  }
}

function unknown(method: string, path: string): Reply {
  const methods = methodsOf(path);
  if (methods.length === 0) return { status: 404, body: { message: `there is no ${method} ${path}` } };
  const allow = methods.includes('GET') ? [...methods, 'HEAD', 'OPTIONS'] : [...methods, 'OPTIONS'];
  const headers = { allow: allow.join(', ') };
  if (method === 'OPTIONS') return { status: 204, headers, body: undefined };
  return { status: 405, headers, body: { message: `${path} takes ${methods.join(', ')}, not ${method}` } };
}

function send({ status = 200, headers = {}, body }: Reply, response: ServerResponse): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    'x-content-type-options': 'nosniff',
    ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
  });
  response.end(text);
}
