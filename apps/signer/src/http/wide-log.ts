import { randomUUID } from 'node:crypto';
import type { Logger } from '@tributary/runtime';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Attempt } from '../providers/lane.js';
import type { SignMetrics } from '../providers/metrics.js';

/** What is said about one request, in one line, when it has been answered. Never a query, a cookie or a key. */
export interface Notes {
  requestId: string;
  startedAt: number;
  key?: string;
  client?: string;
  room?: string;
  creator?: string;
  provider?: string;
  /** Where a bundle came from that was not made for this request alone. */
  shared?: string;
  attempts?: Pick<Attempt, 'provider' | 'reason' | 'durationMs' | 'skipped'>[];
}

/** A property, because a WeakMap of every request is work for the garbage collector. */
const NOTES = Symbol('notes');

/** The notes of a request, to be added to. */
export function notesOf({ raw }: FastifyRequest): Notes {
  const holder = raw as { [NOTES]?: Notes };
  return (holder[NOTES] ??= { requestId: randomUUID(), startedAt: performance.now() });
}

/** Notes how the providers fared. */
export function noteAttempts(request: FastifyRequest, attempts: Attempt[]): void {
  const said = notesOf(request);
  said.provider = attempts.find(({ reason }) => reason === 'ok')?.provider;
  if (attempts.length > 0)
    said.attempts = attempts.map(({ provider, reason, durationMs, skipped }) => ({ provider, reason, durationMs, skipped }));
}

/** Logs and counts every answer, and gives each a request id. Probes and scrapes are not logged. */
export function addWideLog(fastify: FastifyInstance, logger: Logger, metrics: SignMetrics): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { requestId } = notesOf(request);
    void reply.headers({ 'x-request-id': requestId, 'x-log-id': requestId, 'x-agent-id': 'tributary' });
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const { startedAt, ...said } = notesOf(request);
    const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
    metrics.answered(route, reply.statusCode, durationMs);
    const line = { method: request.method, route, status: reply.statusCode, durationMs, ...said };
    if (route === '/healthz' || route === '/readyz' || route === '/metrics') logger.debug(line, 'probe');
    else if (reply.statusCode >= 500) logger.warn(line, 'request failed');
    // Its twin, for which the bundle was made, is in the log; a line each would cost as much as the answer.
    else if (said.shared === 'memory') logger.debug(line, 'request');
    else logger.info(line, 'request');
    done();
  });
}
