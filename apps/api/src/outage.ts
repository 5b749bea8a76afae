import { type CallHandler, type ExecutionContext, Inject, Injectable, type NestInterceptor } from '@nestjs/common';
import { type Logger, Problem } from '@tributary/runtime';
import { catchError, type Observable, throwError } from 'rxjs';
import { LOGGER } from './resources.js';

/** Codes of Node and PostgreSQL that say "not now": no connection, server starting or stopping, out of connections, out of time. */
const CODES = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|08|57P0|57014|53300)/;
/** What pg and ioredis say without a code. */
const WORDS = /Connection terminated|timeout exceeded when trying to connect|Connection is closed|Stream isn't writeable|Command timed out/;

/** Whether an error means that a database is away, and nothing is wrong with the request or with us. */
export function isOutage(error: unknown): error is Error {
  if (typeof error !== 'object' || error === null) return false;
  const { code, message, errors } = error as { code?: unknown; message?: unknown; errors?: unknown };
  // Several addresses were tried, and none answered.
  if (Array.isArray(errors) && errors.some(isOutage)) return true;
  return (typeof code === 'string' && CODES.test(code)) || (typeof message === 'string' && WORDS.test(message));
}

const SAY_EVERY_MS = 10_000;

/** Answers 503 while a database is away, and says so in the log once in a while instead of once for each request. */
@Injectable()
export class OutageInterceptor implements NestInterceptor {
  private saidAt = 0;

  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(catchError((error: unknown) => throwError(() => (isOutage(error) ? this.unavailable(error) : error))));
  }

  private unavailable(error: Error): Problem {
    if (Date.now() - this.saidAt > SAY_EVERY_MS) {
      this.saidAt = Date.now();
      this.logger.warn({ reason: error.message }, 'requests cannot be answered: a database is away');
    }
    return new Problem('unavailable', 'a database this needs does not answer now; try again', { headers: { 'retry-after': '2' } });
  }
}
