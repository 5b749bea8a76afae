import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from './logging.js';

/** One bad field: where it is, and what was expected there. */
export interface FieldProblem {
  field: string;
  expected: string;
}

/** An expected failure of a request, answered as RFC 9457 `application/problem+json`. */
export class Problem extends Error {
  override name = 'Problem';
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly extra: { errors?: FieldProblem[]; headers?: Record<string, string>; [member: string]: unknown } = {},
  ) {
    super(detail);
  }

  static badField(field: string, expected: string): Problem {
    return new Problem(400, 'Bad request', `${field}: expected ${expected}`, { errors: [{ field, expected }] });
  }

  static notFound(what: string): Problem {
    return new Problem(404, 'Not found', what);
  }
}

const fieldsOf = (errors: ValidationError[], path = ''): FieldProblem[] =>
  errors.flatMap((error) => {
    const field = path ? `${path}.${error.property}` : error.property;
    const own = Object.values(error.constraints ?? {}).map((expected) => ({ field, expected }));
    return [...own, ...fieldsOf(error.children ?? [], field)];
  });

/** Validates and converts every DTO; unknown fields are refused and named. */
export function createValidationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    exceptionFactory: (errors) => {
      const problems = fieldsOf(errors);
      return new Problem(400, 'Bad request', problems.map(({ field, expected }) => `${field}: ${expected}`).join('; '), {
        errors: problems,
      });
    },
  });
}

/** Maps whatever a handler throws to problem+json. A bug is logged once and leaves no trace in the answer. */
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
    const { headers, ...members } = problem.extra;
    void reply
      .status(problem.status)
      .headers({ ...headers, 'content-type': 'application/problem+json' })
      .send(JSON.stringify({ type: 'about:blank', title: problem.title, status: problem.status, detail: problem.detail, ...members }));
  }

  private toProblem(error: unknown, request: FastifyRequest): Problem {
    if (error instanceof Problem) return error;
    const status = error instanceof HttpException ? error.getStatus() : (error as { statusCode?: number }).statusCode;
    if (status !== undefined && status >= 400 && status < 500) {
      return new Problem(
        status,
        status === 404 ? 'Not found' : 'Bad request',
        error instanceof Error ? error.message : 'the request could not be read',
      );
    }
    this.logger.error({ err: error, method: request.method, route: request.routeOptions?.url }, 'request failed');
    return new Problem(status ?? 500, 'Internal error', 'the request failed; the reason is in the log of this process');
  }
}
