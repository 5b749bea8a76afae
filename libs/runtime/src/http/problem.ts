import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../process/logging.js';
import { codeOfStatus, PROBLEM_TYPES, type ProblemCode } from './problem-types.js';

/** One bad field: where it is, and what was expected there. */
export interface FieldProblem {
  field: string;
  expected: string;
}

/** An expected failure of a request, answered as RFC 9457 `application/problem+json`. Its code gives status and title. */
export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  readonly title: string;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly extra: { errors?: FieldProblem[]; headers?: Record<string, string>; [member: string]: unknown } = {},
  ) {
    super(detail);
    ({ status: this.status, title: this.title } = PROBLEM_TYPES[code]);
  }

  static badField(field: string, expected: string): Problem {
    return new Problem('invalid-field', `${field}: expected ${expected}`, { errors: [{ field, expected }] });
  }

  static notFound(what: string): Problem {
    return new Problem('not-found', what);
  }
}

/** Bad fields that one answer names; more would only make it long. */
const ERRORS_MAX = 20;

/** Messages of class-validator, and the words of an answer for what is expected. */
const PHRASES: [RegExp, string][] = [
  [/^(?:must|should) not be greater than /, 'at most '],
  [/^(?:must|should) not be less than /, 'at least '],
  [/^(?:must|should) be one of the following values: /, 'one of '],
  [/^(?:must|should) be /, ''],
  [/^(?:must|should) /, 'to '],
  [/^expected /, ''],
];

/** What is expected of a field, in one sentence: the first rule that it breaks, in the order the rules are declared. */
function expectedOf({ property, constraints = {} }: ValidationError): string | undefined {
  if ('whitelistValidation' in constraints) return 'no field of this name';
  // class-validator lists the broken rules last declared first.
  const text = Object.values(constraints).at(-1);
  if (text === undefined) return undefined;
  const each = text.startsWith('each value in ');
  const rule = text.slice(each ? 'each value in '.length : 0);
  const condition = rule.startsWith(`${property} `) ? rule.slice(property.length + 1) : rule;
  const [pattern, replacement] = PHRASES.find(([known]) => known.test(condition)) ?? [/^/, ''];
  return `${each ? 'each of them: ' : ''}${condition.replace(pattern, replacement)}`;
}

const fieldsOf = (errors: ValidationError[], path = ''): FieldProblem[] =>
  errors.flatMap((error) => {
    const field = path ? `${path}.${error.property}` : error.property;
    const expected = expectedOf(error);
    return [...(expected === undefined ? [] : [{ field, expected }]), ...fieldsOf(error.children ?? [], field)];
  });

/** Validates and converts every DTO; unknown fields are refused and named. */
export function createValidationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    exceptionFactory: (errors) => {
      const problems = fieldsOf(errors).slice(0, ERRORS_MAX);
      const detail = problems.map(({ field, expected }) => `${field}: expected ${expected}`).join('; ');
      return new Problem('invalid-field', detail || 'the body must be a JSON object', { errors: problems });
    },
  });
}

/** Maps every error of a handler to problem+json. A bug is logged once, and the answer has no detail of it. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const problem = this.toProblem(error, request);
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    sendProblem(reply, problem, request.id);
  }

  private toProblem(error: unknown, request: FastifyRequest): Problem {
    if (error instanceof Problem) return error;
    const status = error instanceof HttpException ? error.getStatus() : (error as { statusCode?: number }).statusCode;
    const code = status === undefined || status >= 500 ? undefined : codeOfStatus(status);
    if (code) return new Problem(code, error instanceof Error ? error.message : 'the request could not be read');
    this.logger.error({ err: error, method: request.method, route: request.routeOptions?.url, requestId: request.id }, 'request failed');
    return new Problem('internal', 'the request failed; the reason is in the log of this process');
  }
}

/** Answers a problem as RFC 9457 says. */
export function sendProblem(reply: FastifyReply, problem: Problem, requestId: string): void {
  const { headers } = problem.extra;
  void reply
    .status(problem.status)
    .headers({ ...headers, 'content-type': 'application/problem+json', 'x-request-id': requestId })
    .send(problemBody(problem, requestId));
}

/** The body of such an answer. */
export function problemBody({ code, title, status, detail, extra }: Problem, requestId: string): string {
  const { headers: _, ...members } = extra;
  return JSON.stringify({ type: `/problems/${code}`, title, status, detail, code, requestId, ...members });
}
