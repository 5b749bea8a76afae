import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { LogContext } from '@tributary/log';
import { allows, HealthController, Problem, type Scope } from '@tributary/runtime';
import type { FastifyReply } from 'fastify';
import { KeyLimits } from './key-limits.js';
import { KeyRing } from './key-ring.js';
import { isOpen, type KeyedRequest, NEEDED_SCOPES, requestOf } from './needs.js';
import { currentRequest } from './request-context.js';

const KEY_LENGTH_MAX = 200;

/**
 * Every route but health and those that are open: a key, the scopes that the route needs, and the key's share of requests.
 * Batches of the log pass, which carry no key. Every other kind of call is refused: whoever adds one says here who may make it.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly keys: KeyRing,
    private readonly limits: KeyLimits,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isBatchOfLog(context)) return true;
    const request = requestOf(context);
    if (context.getClass() === HealthController || isOpen(this.reflector, context)) return true;
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const needed = this.reflector.getAllAndOverride<Scope[] | undefined>(NEEDED_SCOPES, [context.getHandler(), context.getClass()]);
    if (!needed) throw new Error(`${context.getClass().name}.${context.getHandler().name} names no scope: declare one with @Needs`);

    const text = keyOf(request);
    if (text === undefined) throw unauthorised('send a key as `Authorization: Bearer <key>` or `x-api-key: <key>`');
    const record = text.length <= KEY_LENGTH_MAX ? await this.keys.find(text) : undefined;
    await this.limits.admit(request.ip, text, record);
    if (!record) throw unauthorised('this key is not known, was revoked, or has expired');
    void reply.headers(await this.limits.count(record));
    const missing = needed.find((scope) => !allows(record, scope));
    if (missing) throw new Problem('missing-scope', `this key lacks the scope ${missing}`, { neededScope: missing, scopes: record.scopes });
    request.apiKey = record;
    const current = currentRequest();
    if (current) current.key = record.id;
    return true;
  }
}

/** Nest runs global guards for the log's transport too. A message of any other transport is not known here. */
function isBatchOfLog(context: ExecutionContext): boolean {
  return context.getType() === 'rpc' && context.switchToRpc().getContext<unknown>() instanceof LogContext;
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
