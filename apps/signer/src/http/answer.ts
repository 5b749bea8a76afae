import { type ArgumentsHost, Catch, HttpException } from '@nestjs/common';
import { codeOfStatus, type Logger, Problem, ProblemFilter } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Machine-readable reasons in error bodies; the first seven are what HttpSigner understands. */
export type AnswerReason =
  | 'offline'
  | 'rate-limited'
  | 'blocked'
  | 'premium'
  | 'unavailable'
  | 'timeout'
  | 'bad-answer'
  | 'not-found'
  | 'bad-request'
  | 'unauthorized'
  | 'forbidden'
  | 'unsupported'
  | 'internal';

/** An expected failure of one of the Euler-compatible routes. */
export class SignError extends Error {
  override name = 'SignError';
  constructor(
    readonly status: number,
    readonly reason: AnswerReason,
    message: string,
    readonly retryAfterMs?: number,
    /** Further members of the body. */
    readonly extra: Record<string, unknown> = {},
  ) {
    super(message);
  }

  static badParameter(name: string, expected: string): SignError {
    return new SignError(400, 'bad-request', `${name}: expected ${expected}`);
  }
}

/** Client 2.5.0 throws RangeError while it draws a frame around a message of fewer than 19 characters. */
const MESSAGE_LENGTH_MIN = 20;
/** Wait in ms that a 429 without a known wait gives to the client. */
const RETRY_DEFAULT_MS = 30_000;

/**
 * Answers errors of `/v1` as problem+json, and of every other route as `{code, message}`, as clients of Euler Stream
 * read them. A bug is logged once, and the answer has no detail of it.
 */
@Catch()
export class SignFilter extends ProblemFilter {
  constructor(private readonly log: Logger) {
    super(log);
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    if (/^\/+v1\//.test(request.url)) {
      super.catch(error instanceof SignError ? asProblem(error) : error, host);
      return;
    }
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    const known = this.known(error, request);
    const message =
      known.message.length < MESSAGE_LENGTH_MIN ? `${known.message} (status ${known.status}, no more is known)` : known.message;
    const seconds = waitOf(known);
    if (seconds !== undefined) {
      void reply.header('retry-after', String(seconds));
      if (known.status === 429) void reply.header('x-ratelimit-reset', String(Math.ceil(Date.now() / 1000) + seconds));
    }
    const shape = shapeOf(request, message);
    const body = { code: known.status, message, reason: known.reason, ...shape, ...known.extra };
    void reply.status(known.status).header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(body));
  }

  private known(error: unknown, request: FastifyRequest): SignError {
    if (error instanceof SignError) return error;
    if (error instanceof Problem) return new SignError(error.status, reasonOf(error.status), error.detail);
    const status = error instanceof HttpException ? error.getStatus() : (error as { statusCode?: number }).statusCode;
    if (status !== undefined && status >= 400 && status < 500) {
      return new SignError(status, reasonOf(status), error instanceof Error ? error.message : 'the request could not be read');
    }
    this.log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'request failed');
    return new SignError(500, 'internal', 'the request failed; the reason is in the log of the signer');
  }
}

/** Seconds that a client is told to wait. */
function waitOf({ status, retryAfterMs }: SignError): number | undefined {
  const ms = retryAfterMs ?? (status === 429 ? RETRY_DEFAULT_MS : undefined);
  return ms === undefined ? undefined : Math.max(1, Math.ceil(ms / 1000));
}

function asProblem(error: SignError): Problem {
  const { status, message, reason } = error;
  const seconds = waitOf(error);
  const code = codeOfStatus(status) ?? (status < 500 ? 'unprocessable' : 'unavailable');
  return new Problem(code, message, { reason, ...(seconds === undefined ? {} : { headers: { 'retry-after': String(seconds) } }) });
}

function reasonOf(status: number): AnswerReason {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  return status === 404 ? 'not-found' : 'bad-request';
}

/** Members that clients read from an error of this route without checking that they exist. */
function shapeOf(request: FastifyRequest, message: string): Record<string, unknown> {
  const route = request.routeOptions.url ?? '';
  if (route.endsWith('/sign_url') && request.method === 'POST') return { response: {} };
  if (route.endsWith('/room_id') || route.endsWith('/room_info')) return { ok: false, routes_attempted: [] };
  return route.endsWith('/eulerstream') ? { success: false, error: message } : {};
}
