import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { allows, Config, HealthController, Problem, type Scope } from '@tributary/runtime';
import type { FastifyReply } from 'fastify';
import { KeyRing } from './key-ring.js';
import { isOpen, type KeyedRequest, NEEDED_SCOPES } from './needs.js';
import { type BucketVerdict, TokenBuckets } from './token-buckets.js';

const KEY_LENGTH_MAX = 200;

/** Every route but health and those that are open: a key, the scopes that the route needs, and the key's share of requests. */
@Injectable()
export class AccessGuard implements CanActivate {
  private readonly buckets: TokenBuckets;

  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(KeyRing) private readonly keys: KeyRing,
    @Inject(Config) config: Config,
  ) {
    this.buckets = new TokenBuckets(config.apiRatePerMinute);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // The Nest transport strategy runs through global guards too; batches of the log carry no key.
    if (context.getType() !== 'http' || context.getClass() === HealthController) return true;
    if (isOpen(this.reflector, context)) return true;
    const request = context.switchToHttp().getRequest<KeyedRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const needed = this.reflector.getAllAndOverride<Scope[] | undefined>(NEEDED_SCOPES, [context.getHandler(), context.getClass()]);
    if (!needed) throw new Error(`${context.getClass().name}.${context.getHandler().name} names no scope: declare one with @Needs`);

    const text = keyOf(request);
    if (text === undefined) throw unauthorised('send a key as `Authorization: Bearer <key>` or `x-api-key: <key>`');
    const record = text.length <= KEY_LENGTH_MAX ? await this.keys.find(text) : undefined;
    if (!record) throw unauthorised('this key is not known, was revoked, or has expired');

    const verdict = this.buckets.take(record.id);
    const headers = rateHeaders(verdict);
    if (!verdict.allowed) {
      throw new Problem('rate-limited', `this key may make ${verdict.limit} requests a minute; wait ${verdict.retrySeconds} s`, {
        headers: { ...headers, 'retry-after': String(verdict.retrySeconds) },
      });
    }
    void reply.headers(headers);
    const missing = needed.find((scope) => !allows(record, scope));
    if (missing) throw new Problem('missing-scope', `this key lacks the scope ${missing}`, { neededScope: missing, scopes: record.scopes });
    request.apiKey = record;
    return true;
  }
}

function keyOf({ headers }: KeyedRequest): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer) return bearer;
  const own = headers['x-api-key'];
  return typeof own === 'string' && own !== '' ? own : undefined;
}

function unauthorised(detail: string): Problem {
  return new Problem('unauthorized', detail, { headers: { 'www-authenticate': 'Bearer realm="tributary"' } });
}

function rateHeaders({ limit, remaining, resetSeconds }: BucketVerdict): Record<string, string> {
  return { 'ratelimit-limit': String(limit), 'ratelimit-remaining': String(remaining), 'ratelimit-reset': String(resetSeconds) };
}
