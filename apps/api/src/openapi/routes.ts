import type { INestApplicationContext } from '@nestjs/common';
import { ModulesContainer, Reflector } from '@nestjs/core';
import { scopesOf } from '../access/needs.js';
import { headerRefs, type ProblemResponse, problemResponses } from './problems.js';
import { problemsOf } from './fails.js';

/** The part of an operation of the document that is read or written here. */
export interface Operation {
  operationId?: string;
  description?: string;
  parameters?: object[];
  requestBody?: object;
  responses: Record<string, { $ref?: string; description?: string; headers?: object }>;
  security?: Record<string, string[]>[];
}

/** How a key is sent; an operation names the scopes that it needs beside each. */
const SCHEMES = ['key', 'x-api-key'];

/** Id of an operation: its resource and its method, such as `creators_list`. */
export const operationIdOf = (controller: string, method: string): string => {
  const resource = controller.replace(/Controller$/, '');
  return `${resource.charAt(0).toLowerCase()}${resource.slice(1)}_${method}`;
};

/** Every controller's routes by the id of their operation. */
function handlersOf(app: INestApplicationContext): Map<string, [handler: object, controller: object]> {
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return new Map(
    controllers.flatMap(({ metatype }) => {
      if (typeof metatype !== 'function') return [];
      const prototype = metatype.prototype as Record<string, object>;
      const names = Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');
      return names.map((name) => [operationIdOf(metatype.name, name), [prototype[name]!, metatype]] as const);
    }),
  ) as Map<string, [handler: object, controller: object]>;
}

/**
 * Adds to each operation what the code that serves it says of itself: the scopes that the guard asks for, its error answers, and the
 * headers of its answers.
 * @param responses of the components; error answers are added there
 * @throws Error for an operation without a route of a controller
 */
export function completeOperations(
  app: INestApplicationContext,
  operations: Iterable<Operation>,
  responses: Record<string, ProblemResponse>,
): void {
  const handlers = handlersOf(app);
  const reflector = new Reflector();
  for (const operation of operations) {
    const targets = handlers.get(operation.operationId ?? '');
    if (!targets) throw new Error(`no route has the operation id ${operation.operationId}`);
    const scopes = scopesOf(reflector, ...targets);
    operation.security = scopes ? SCHEMES.map((scheme) => ({ [scheme]: [...scopes] })) : [];
    operation.description = [operation.description ?? '', ...(scopes?.length ? [scopeNote(scopes)] : [])].join('\n\n').trim();
    const answers = scopes ? RATED : PLAIN;
    for (const answer of Object.values(operation.responses)) {
      if (answer.$ref) continue;
      answer.description ||= 'What was asked for.';
      answer.headers = { ...answer.headers, ...answers };
    }
    const facts = {
      scopes,
      hasParameters: (operation.parameters ?? []).length > 0,
      hasBody: operation.requestBody !== undefined,
    };
    Object.assign(operation.responses, problemResponses(problemsOf(reflector, targets, facts), responses));
  }
}

const PLAIN = headerRefs('X-Request-Id');
const RATED = headerRefs('X-Request-Id', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset');

/** Pages that show the description to people leave out the scopes of keys. */
const scopeNote = (scopes: readonly string[]) => `Needs the scope ${scopes.map((scope) => `\`${scope}\``).join(' and ')}.`;
