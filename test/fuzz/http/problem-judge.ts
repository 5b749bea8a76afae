import { PROBLEM_TYPES, type ProblemCode } from '@tributary/runtime';
import type { Fault } from '../engine/campaign.js';
import { bytesOf, type HttpRequest } from './request.js';
import type { WireAnswer } from './wire-client.js';

/** What a text must not hold: traces of the code, of the database, of objects that were printed by mistake. */
const LEAKS =
  /\n\s+at .+:\d+:\d+|node_modules|\/libs\/|\/apps\/|syntax error at or near|invalid input syntax|\[object Object\]|ECONNREFUSED/;

/** What is wrong with an error answer that must be RFC 9457 with a code of the catalog. */
export function judgeProblem({ status, headers, body }: WireAnswer, request: HttpRequest): Fault | undefined {
  const { method, route } = request;
  const fault = (what: string): Fault => ({
    kind: `${route}: ${status} ${what}`,
    detail: JSON.stringify({ headers, body: body.slice(0, 600) }),
  });
  if (!headers['content-type']?.startsWith('application/problem+json'))
    return fault(`is no problem+json but ${headers['content-type'] ?? 'nothing'}`);
  if (method === 'HEAD') return undefined;
  const problem = parsed(body);
  if (!problem) return fault('is no JSON');
  const { code, type, title, detail, requestId } = problem;
  if (typeof code !== 'string' || !Object.hasOwn(PROBLEM_TYPES, code)) return fault('has no known code');
  if (PROBLEM_TYPES[code as ProblemCode].status !== status || problem.status !== status) return fault(`has the code ${code}`);
  if (type !== `/problems/${code}` || typeof title !== 'string' || typeof detail !== 'string' || detail === '')
    return fault('says too little');
  if (typeof requestId !== 'string' || headers['x-request-id'] !== requestId) return fault('has no request id');
  const leak = LEAKS.exec(detail)?.[0];
  // What a client sent may come back to it, also such words.
  return leak !== undefined && !sentBy(request).includes(leak) ? fault('tells of the code') : undefined;
}

/** The JSON object in a text; undefined when it is none. */
export function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** What a request said, as text. */
function sentBy(request: HttpRequest): string {
  const text = bytesOf(request).toString();
  return text + text.replace(/(?:%[0-9a-f]{2})+/gi, (part) => Buffer.from(part.replaceAll('%', ''), 'hex').toString());
}
