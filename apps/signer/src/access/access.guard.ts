import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Scope } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, type AccessRules } from './access.js';

const NEEDED = 'scope that a route needs';
const FREE = 'route whose requests are not counted';
/** The scope that a route needs; `sign` where none is declared. */
export const Needs = (scope: Scope) => SetMetadata(NEEDED, scope);
/** Leaves a route's requests out of the limits. */
export const NotCounted = () => SetMetadata(FREE, true);

/** Holds the routes of controllers to what they ask of their callers. It refuses everything that is not a request of HTTP. */
@Injectable()
export class AccessGuard implements CanActivate {
  private readonly rules = new Map<unknown, AccessRules>();

  constructor(
    private readonly reflector: Reflector,
    private readonly access: Access,
  ) {}

  canActivate(context: ExecutionContext): true | Promise<true> {
    const kind = context.getType<string>();
    if (kind !== 'http') throw new Error(`the access guard knows requests of HTTP alone, not ${kind}`);
    const http = context.switchToHttp();
    return this.access.admit(http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), this.rulesOf(context));
  }

  /** What a route asks for; looked up once. */
  private rulesOf(context: ExecutionContext): AccessRules {
    const handler = context.getHandler();
    const known = this.rules.get(handler);
    if (known) return known;
    const targets = [handler, context.getClass()];
    const rules = {
      needed: this.reflector.getAllAndOverride<Scope | undefined>(NEEDED, targets) ?? 'sign',
      counted: !this.reflector.getAllAndOverride<boolean | undefined>(FREE, targets),
    };
    this.rules.set(handler, rules);
    return rules;
  }
}
