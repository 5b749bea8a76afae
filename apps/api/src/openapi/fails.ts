import { SetMetadata } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import type { ProblemCode } from '@tributary/runtime';

const FAILS = 'tributary:fails';

/**
 * Problems that a route answers beside those that every route of its kind does (see {@link problemsOf}). On a controller: all of
 * its routes. Tests refuse an answer that the description does not have.
 */
export const Fails = (...codes: ProblemCode[]): ClassDecorator & MethodDecorator => SetMetadata(FAILS, codes);

/** What decides which problems a route answers. */
export interface RouteFacts {
  /** Scopes that a key needs; undefined where no key is needed. */
  scopes: readonly string[] | undefined;
  hasParameters: boolean;
  hasBody: boolean;
}

/** Every problem that a route answers, by its declarations and by what it takes. */
export function problemsOf(reflector: Reflector, targets: [handler: object, controller: object], facts: RouteFacts): ProblemCode[] {
  const declared = reflector.getAllAndMerge<ProblemCode[]>(FAILS, targets as Parameters<Reflector['getAllAndMerge']>[1]);
  const codes: ProblemCode[] = ['internal', ...declared];
  if (facts.scopes) codes.push('unauthorized', 'rate-limited', 'unavailable', 'overloaded');
  if (facts.scopes?.length) codes.push('missing-scope');
  if (facts.hasParameters || facts.hasBody) codes.push('invalid-field');
  if (facts.hasParameters) codes.push('malformed-request', 'path-too-long');
  if (facts.hasBody) codes.push('malformed-body', 'body-too-large', 'unsupported-media-type');
  return [...new Set(codes)];
}
