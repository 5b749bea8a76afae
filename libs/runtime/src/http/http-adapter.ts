import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { AllowedHosts } from './allowed-hosts.js';
import { Problem, sendProblem } from './problem.js';
import { codeOfStatus } from './problem-types.js';
import { RouteTable } from './route-table.js';
import { answerRaw, ignoreExpectations, newRequestId, problemOfUnreadable } from './unreadable-request.js';

/** What a process may set of its HTTP server. */
export interface HttpOptions {
  bodyBytesMax?: number;
  /** Takes `//path` for `/path`: some clients put a slash too many between their base URL and the route. */
  ignoreDuplicateSlashes?: boolean;
  /** A client that takes longer to send its request, 30 s by default, is answered 408 and cut off. Answers may take as long as they like. */
  requestMsMax?: number;
  /** A client that takes nothing of its answer for this long, 60 s by default, is cut off; so is a connection without a request. */
  silenceMsMax?: number;
  /** Names by which it may be called; addresses and `localhost` alone unless told otherwise. */
  hosts?: AllowedHosts;
  /** Reverse proxies whose `X-Forwarded-For` is believed. */
  trustedProxies?: readonly string[];
}

/**
 * On every answer: nothing of an API is a page, is shown in a frame of another page, or is taken for another type than it says.
 * Pages of ours say what they may load in its place.
 */
const HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
};

const REQUEST_MS_MAX = 30_000;
const SILENCE_MS_MAX = 60_000;
const HOST_REFUSED = 'the Host header names a server that this is not known as';
const BODY_BYTES_MAX = 1_048_576;
/** What validates and converts a body calls itself for each level; nobody's request is as deep as this. */
const BODY_DEPTH_MAX = 32;

/** The HTTP server of a process, which knows its routes. */
export interface HttpAdapter extends FastifyAdapter {
  /** What it serves; complete once it listens. */
  readonly routeTable: RouteTable;
}

/** The HTTP server of a process, with every bound on what a client may send and how long it may take. */
export function createHttpAdapter(options: HttpOptions): HttpAdapter {
  const requestMsMax = options.requestMsMax ?? REQUEST_MS_MAX;
  const silenceMsMax = options.silenceMsMax ?? SILENCE_MS_MAX;
  const adapter = new FastifyAdapter({
    bodyLimit: options.bodyBytesMax ?? BODY_BYTES_MAX,
    trustProxy: options.trustedProxies?.length ? [...options.trustedProxies] : false,
    forceCloseConnections: true,
    genReqId: newRequestId,
    routerOptions: { maxParamLength: 512, ignoreDuplicateSlashes: options.ignoreDuplicateSlashes ?? false },
    connectionTimeout: silenceMsMax,
    // Node looks for slow requests only every 30 s unless told otherwise. They are answered 408, so before they are cut for silence.
    requestTimeout: requestMsMax,
    http: {
      connectionsCheckingInterval: Math.min(1_000, Math.ceil(requestMsMax / 5)),
      headersTimeout: requestMsMax,
      requireHostHeader: false,
    },
    // The router answers a malformed address before any filter of ours could.
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const code = codeOfStatus(error.statusCode ?? 400) ?? 'malformed-request';
      sendProblem(reply, new Problem(code, 'the address of the request cannot be read', { headers: HEADERS }), request.id);
    },
    clientErrorHandler: (error, socket) => {
      if (error.code !== 'ECONNRESET' && !socket.destroyed) answerRaw(socket, problemOfUnreadable(error), HEADERS);
    },
  });
  const instance = adapter.getInstance();
  cutSilent(instance.server, silenceMsMax);
  ignoreExpectations(instance.server);
  const hosts = options.hosts ?? new AllowedHosts();
  refuseUpgrades(instance.server, hosts);
  const routes = new RouteTable(options.ignoreDuplicateSlashes);
  instance.addHook('onRoute', ({ method, url }) => routes.add(method, url));
  instance.addHook('onRequest', (request, reply, done) => {
    void reply.headers({ ...HEADERS, 'x-request-id': request.id });
    const { httpVersion } = request.raw;
    // Node would answer it without a word.
    if (request.headers.host === undefined && httpVersion === '1.1')
      return sendProblem(reply, new Problem('malformed-request', 'HTTP/1.1 needs the header Host'), request.id);
    if (!hosts.allows(request.headers.host)) return sendProblem(reply, new Problem('host-not-allowed', HOST_REFUSED), request.id);
    done();
  });
  // After every `onRequest` hook, so that what they set is on these answers too; before any body is read.
  instance.addHook('preParsing', (request, reply, _payload, done) => {
    // A route for all that is not known is told from one for this path by its `*`.
    const isOptions = request.method === 'OPTIONS' && request.routeOptions.url?.includes('*');
    const methods = request.is404 || isOptions ? routes.methodsOf(request.url) : [];
    if (methods.length === 0) return done();
    const allow = [...methods, 'OPTIONS'].join(', ');
    if (request.method === 'OPTIONS') return void reply.status(204).header('allow', allow).send();
    const detail = `${request.method} is not for this path; it takes ${methods.join(', ')}`;
    sendProblem(reply, new Problem('method-not-allowed', detail, { headers: { allow } }), request.id);
  });
  // Without it a body of another type is answered 415; with it, it would arrive as a text that no handler expects.
  instance.removeContentTypeParser('text/plain');
  adapter.useBodyParser('application/json', false, undefined, (_request, body, done) => {
    try {
      done(null, parseBody(Buffer.isBuffer(body) ? body.toString('utf8') : String(body)));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), undefined);
    }
  });
  return Object.assign(adapter, { routeTable: routes });
}

/** Refuses WebSockets for other names, in front of whoever serves them: an upgrade passes by the router and its hooks. */
function refuseUpgrades(server: Server, hosts: AllowedHosts): void {
  const refuse = ({ headers }: IncomingMessage, socket: Duplex) => {
    if (!hosts.allows(headers.host)) answerRaw(socket, new Problem('host-not-allowed', HOST_REFUSED), HEADERS);
  };
  // A listener without another would swallow every request that offers an upgrade.
  const onNewListener = (event: string | symbol) => {
    if (event !== 'upgrade') return;
    server.off('newListener', onNewListener);
    server.on('upgrade', refuse);
  };
  server.on('newListener', onNewListener);
}

/**
 * Cuts connections on which nothing has moved for `silenceMsMax`, where the client is to blame. One that waits for an answer of
 * which nothing is written yet stays: then this process is what takes so long.
 */
function cutSilent(server: Server, silenceMsMax: number): void {
  const answering = new WeakMap<Socket, number>();
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    answering.set(socket, (answering.get(socket) ?? 0) + 1);
    response.once('close', () => answering.set(socket, (answering.get(socket) ?? 1) - 1));
  });
  server.on('timeout', (socket: Socket) => {
    if (socket.writableLength === 0 && (answering.get(socket) ?? 0) > 0) socket.setTimeout(silenceMsMax);
    else socket.destroy();
  });
}

/**
 * Parses a JSON body; an empty one is none, whatever its content type says.
 * @throws Problem `malformed-body` where it is no JSON, is nested too deep, or names a key that would change its prototype
 */
export function parseBody(text: string): unknown {
  if (text.trim() === '') return undefined;
  if (depthOf(text, BODY_DEPTH_MAX) > BODY_DEPTH_MAX)
    throw new Problem('malformed-body', `the body is nested deeper than ${BODY_DEPTH_MAX} levels`);
  try {
    return JSON.parse(text, (key, value: unknown) => {
      if (key === '__proto__' || (key === 'constructor' && typeof value === 'object')) throw new SyntaxError(`the key ${key}`);
      return value;
    }) as unknown;
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : 'it is no JSON';
    throw new Problem('malformed-body', `the body is not JSON that can be taken: ${reason.slice(0, 200)}`);
  }
}

/** How deep a JSON text is nested, counted without parsing it; stops past `max`. */
function depthOf(text: string, max: number): number {
  let [depth, deepest, inString] = [0, 0, false];
  for (let i = 0; i < text.length && deepest <= max; i++) {
    const character = text.charCodeAt(i);
    if (inString) {
      if (character === 0x5c) i += 1;
      else if (character === 0x22) inString = false;
    } else if (character === 0x22) inString = true;
    else if (character === 0x7b || character === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (character === 0x7d || character === 0x5d) depth -= 1;
  }
  return deepest;
}
