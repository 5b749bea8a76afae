import { randomUUID } from 'node:crypto';
import type { Logger } from '@tributary/runtime';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Attempt } from '../failover/provider-operation.js';
import type { SignMetrics } from '../failover/sign-metrics.js';

/** The fields of the one log line of a request, written when it was answered. Never a query, a cookie or a key. */
export interface Notes {
  requestId: string;
  startedAt: number;
  key?: string;
  client?: string;
  room?: string;
  creator?: string;
  provider?: string;
  /** Source of a bundle that was not made for this request alone. */
  shared?: string;
  attempts?: Pick<Attempt, 'provider' | 'reason' | 'durationMs' | 'skipped'>[];
}

/** A property, because a WeakMap of all requests costs garbage collection. */
const NOTES = Symbol('notes');

/** The notes of a request, to be added to. */
export function notesOf({ raw }: FastifyRequest): Notes {
  const holder = raw as { [NOTES]?: Notes };
  return (holder[NOTES] ??= { requestId: randomUUID(), startedAt: performance.now() });
}

/** Notes the attempts of the providers. */
export function noteAttempts(request: FastifyRequest, attempts: Attempt[]): void {
  const notes = notesOf(request);
  notes.provider = attempts.find(({ reason }) => reason === 'ok')?.provider;
  if (attempts.length > 0)
    notes.attempts = attempts.map(({ provider, reason, durationMs, skipped }) => ({ provider, reason, durationMs, skipped }));
}

/** Logs and counts every answer, and gives each a request id. Probes, scrapes and answers from memory are logged for `debugs` only. */
export function addWideLog(fastify: FastifyInstance, logger: Logger, metrics: SignMetrics, debugs: boolean): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { requestId } = notesOf(request);
    void reply.headers({ 'x-request-id': requestId, 'x-log-id': requestId, 'x-agent-id': 'tributary' });
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const notes = notesOf(request);
    const durationMs = performance.now() - notes.startedAt;
    metrics.answered(route, reply.statusCode, durationMs);
    const level = levelOf(route, reply.statusCode, notes);
    // A line that the level hides is not built.
    if (level === 'debug' && !debugs) return done();
    const { startedAt: _, ...rest } = notes;
    const line = { method: request.method, route, status: reply.statusCode, durationMs: Math.round(durationMs * 10) / 10, ...rest };
    logger[level](line, level === 'warn' ? 'request failed' : 'request');
    done();
  });
}

function levelOf(route: string, status: number, { shared }: Notes): 'debug' | 'info' | 'warn' {
  if (route === '/healthz' || route === '/readyz' || route === '/metrics') return 'debug';
  if (status >= 500) return 'warn';
  // The bundle's own line is in the log; one more for each request that shares it would cost as much as the answer.
  return shared === 'memory' ? 'debug' : 'info';
}
