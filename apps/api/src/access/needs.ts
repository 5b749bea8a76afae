import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import type { KeyRecord, Scope } from '@tributary/runtime';
import type { FastifyRequest } from 'fastify';

export const NEEDED_SCOPES = 'tributary:scopes';

/** The scopes that a key must have, all of them, for a route or a controller. A route without any is refused to everybody. */
export const Needs = (first: Scope, ...others: Scope[]) => SetMetadata(NEEDED_SCOPES, [first, ...others]);

/** A route for every key in force, whatever its scopes. */
export const NeedsKey = () => SetMetadata(NEEDED_SCOPES, []);

const OPEN = 'tributary:open';

/** A controller whose routes need no key. */
export const Open = () => SetMetadata(OPEN, true);

/** Whether a route needs no key. */
export const isOpen = (reflector: Reflector, context: ExecutionContext): boolean =>
  reflector.get<boolean | undefined>(OPEN, context.getClass()) === true;

/** A request that passed the guard. */
export interface KeyedRequest extends FastifyRequest {
  apiKey?: KeyRecord;
}

/** The request that a guard judges. @throws Error in a call of another kind than HTTP: guards refuse what they do not know */
export function requestOf(context: ExecutionContext): KeyedRequest {
  const kind = context.getType<string>();
  if (kind === 'http') return context.switchToHttp().getRequest<KeyedRequest>();
  throw new Error(`${context.getClass().name}.${context.getHandler().name} is called by ${kind}, and its guard knows HTTP alone`);
}

/** The key a request was made with. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): KeyRecord => {
  const { apiKey } = requestOf(context);
  if (!apiKey) throw new Error('this route has no guard');
  return apiKey;
});

/**
 * What a route asks of a key, for its description: the scopes that the guard wants, all of them; undefined where it needs no key.
 * @throws Error for a route that is not open and names no scope
 */
export function scopesOf(reflector: Reflector, handler: object, controller: object): readonly Scope[] | undefined {
  const targets = [handler, controller] as Parameters<Reflector['getAllAndOverride']>[1];
  if (reflector.getAllAndOverride<boolean | undefined>(OPEN, targets) === true) return undefined;
  const needed = reflector.getAllAndOverride<Scope[] | undefined>(NEEDED_SCOPES, targets);
  if (!needed) throw new Error('a route names no scope: declare one with @Needs');
  return needed;
}
