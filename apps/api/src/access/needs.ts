import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import type { KeyRecord, Scope } from '@tributary/runtime';
import type { FastifyRequest } from 'fastify';

export const NEEDED_SCOPE = 'tributary:scope';

/** The scope a key must have for a route or a controller. A route without one is refused to everybody. */
export const Needs = (scope: Scope) => SetMetadata(NEEDED_SCOPE, scope);

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

/** The key a request was made with. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): KeyRecord => {
  const { apiKey } = context.switchToHttp().getRequest<KeyedRequest>();
  if (!apiKey) throw new Error('this route has no guard');
  return apiKey;
});
