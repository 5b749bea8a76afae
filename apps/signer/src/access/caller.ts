import type { KeyRecord } from '@tributary/runtime';
import type { FastifyRequest } from 'fastify';
import type { Limits } from './windows.js';
import type { TokenClaims } from './tokens.js';

/** Who makes a request. `local`: nobody in particular, from this machine, in development. */
export interface Caller {
  kind: 'key' | 'token' | 'local';
  /** Id of the key, of the token's key, or `local`. */
  id: string;
  /** Whose requests are counted, each under limits of its own; first the one that stands for the caller. */
  counted: { who: string; limits: Limits }[];
  /** Handles whose rooms may be asked for, those of its key and those of the token; null for all. */
  creators: readonly string[] | null;
  record?: KeyRecord;
  /** sha256 of the key that was sent, in hex. */
  keyHash?: string;
  token?: TokenClaims;
}

const CALLER = Symbol('caller');

export function setCaller({ raw }: FastifyRequest, caller: Caller): void {
  (raw as { [CALLER]?: Caller })[CALLER] = caller;
}

/** Who makes this request. @throws Error on a route without the access guard */
export function callerOf(request: FastifyRequest): Caller {
  const caller = (request.raw as { [CALLER]?: Caller })[CALLER];
  if (!caller) throw new Error(`${request.method} ${request.routeOptions.url ?? ''} has no access guard`);
  return caller;
}
