import { AsyncLocalStorage } from 'node:async_hooks';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Problem } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** What the code that runs for one request has in common, whichever class it is in. */
export interface RequestContext {
  /** Id of the key that it was made with; undefined until that is known, and where no key is needed. */
  key: string | undefined;
  /** Whether it has had its first turn at the database. */
  hasBegun: boolean;
  /** Transactions that it has open. */
  transactions: number;
  /** Whether it changes nothing, so that it may be given up half way. */
  readonly isRead: boolean;
  /** Aborts when its client has left, and when it was answered. */
  readonly signal: AbortSignal;
}

const storage = new AsyncLocalStorage<RequestContext | undefined>();
/** Nobody is there to read it. */
const LEFT = new Problem('unavailable', 'the client has left');

/** The request that the running code works for; undefined in what runs for nobody or for all. */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore();
}

/**
 * Runs work whose result others wait for too, such as what is read once for all: it must not wait for the turn of whoever happened to
 * ask first.
 */
export function outsideRequests<T>(work: () => T): T {
  return storage.run(undefined, work);
}

/** Makes {@link currentRequest} known to everything that runs for a request. */
export function followRequests(app: NestFastifyApplication): void {
  // The last hook before the handler: reading a body would lose what an earlier one has set.
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('preHandler', ({ method }: FastifyRequest, reply: FastifyReply, done: () => void) => {
      const leaving = new AbortController();
      reply.raw.once('close', () => leaving.abort(LEFT));
      const isRead = method === 'GET' || method === 'HEAD';
      storage.run({ key: undefined, hasBegun: false, transactions: 0, isRead, signal: leaving.signal }, done);
    });
}
