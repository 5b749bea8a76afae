import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** What pages of other origins may read: the API, its problems and its description. Not the dashboard, health or metrics. */
const PATHS = /^\/(?:v1\/|problems\/|openapi\.json(?:$|\?))/;
const METHODS = 'GET, HEAD, POST, PATCH, DELETE';
const SENT = 'authorization, x-api-key, content-type, idempotency-key, last-event-id, cache-control';
const READ = [
  'x-request-id',
  'ratelimit-limit',
  'ratelimit-remaining',
  'ratelimit-reset',
  'retry-after',
  'idempotent-replayed',
  'content-disposition',
  'allow',
  'www-authenticate',
].join(', ');
const PREFLIGHT_SECONDS = '600';

/**
 * Lets pages of the named origins call the API (CORS): nobody else's, and never with cookies or a wildcard, since a page sends its
 * key by itself. Errors and the live stream carry the headers too, so that a page can read why it was refused.
 * @param origins as browsers send them; with none of them nothing is added to any answer
 */
export function allowOrigins(app: NestFastifyApplication, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const known = new Set(origins);
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    if (PATHS.test(request.url)) addHeaders(request, reply, known);
    done();
  });
}

function addHeaders({ method, headers }: FastifyRequest, reply: FastifyReply, known: ReadonlySet<string>): void {
  // A cache must not give the answer to one origin to another.
  void reply.header('vary', 'Origin');
  if (headers.origin === undefined || !known.has(headers.origin)) return;
  void reply.header('access-control-allow-origin', headers.origin);
  if (method === 'OPTIONS' && headers['access-control-request-method'] !== undefined) {
    void reply.headers({
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': SENT,
      'access-control-max-age': PREFLIGHT_SECONDS,
    });
  } else void reply.header('access-control-expose-headers', READ);
}
