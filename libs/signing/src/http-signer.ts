import { bundleFault, cookiePairs, retryAfterMs } from './answer.js';
import type { BundleQuery, BundleResult, RoomIdResult, SignFailure, SignFailureReason, Signer } from './signer.js';

/** Settings of an {@link HttpSigner}. */
export interface HttpSignerOptions {
  /** Base URL: apps/signer, another Tributary, or Euler Stream. */
  url: string;
  apiKey?: string;
  /** Longest wait for a whole answer. 15 s: a signer's own budget is 10 s by default. */
  timeoutMs?: number;
  /** Largest answer that is read. Bundles are 43 to 60 KB. */
  answerBytesMax?: number;
  fetch?: typeof fetch;
}

/** A URL to be signed, as client libraries send it. */
export interface SignUrlQuery {
  url: string;
  method?: string;
  userAgent?: string;
  sessionId?: string;
  ttTargetIdc?: string;
  ttwid?: string;
  payload?: string;
  type?: string;
}

/** A signed URL and what has to be sent with it. */
export interface SignedUrl {
  signedUrl: string;
  userAgent: string;
  browserName?: string;
  browserVersion?: string;
  tokens: Record<string, string>;
  requestHeaders?: Record<string, string>;
  cookies?: Record<string, string>[];
}

export type SignUrlResult = { ok: true; signed: SignedUrl } | SignFailure;

interface Answer {
  ok: true;
  status: number;
  headers: Headers;
  body: Buffer;
}

interface ErrorBody {
  message?: string;
  reason?: string;
}

const REASONS: ReadonlySet<string> = new Set<SignFailureReason>([
  'offline',
  'rate-limited',
  'blocked',
  'premium',
  'unavailable',
  'timeout',
  'bad-answer',
]);

/** Client of the Euler-compatible routes of apps/signer, and of any server that has them. */
export class HttpSigner implements Signer {
  private readonly base: string;
  private readonly timeoutMs: number;
  private readonly answerBytesMax: number;
  private readonly fetch: typeof fetch;

  constructor(private readonly options: HttpSignerOptions) {
    this.base = options.url.replace(/(?<!\/)\/+$/, '');
    this.timeoutMs = options.timeoutMs ?? 15_000;
    this.answerBytesMax = options.answerBytesMax ?? 4_194_304;
    this.fetch = options.fetch ?? fetch;
  }

  /** Asks for a connect bundle. With an empty room id the signer resolves the creator first. */
  async fetchBundle(query: BundleQuery, signal: AbortSignal): Promise<BundleResult> {
    const params = new URLSearchParams({ client: 'tributary', client_enter: 'true' });
    if (query.uniqueId) params.set('unique_id', query.uniqueId);
    if (query.cursor) params.set('cursor', query.cursor);
    if (query.userAgent) params.set('user_agent', query.userAgent);
    // Room 0 is how this API says "find the room of unique_id".
    const path = `/webcast/rooms/${encodeURIComponent(query.roomId || '0')}/connect?${params.toString()}`;
    const answer = await this.ask(path, {
      headers: {
        accept: 'application/protobuf,application/json',
        ...(query.cookies ? { 'x-cookie-header': query.cookies } : {}),
        ...(query.fresh ? { 'cache-control': 'no-cache' } : {}),
      },
      signal,
    });
    if (!answer.ok) return answer;
    if (answer.status !== 200) return failureOf(answer);
    const cookies = cookiePairs(answer.headers.get('x-set-tt-cookie') ?? '');
    const fault = bundleFault(answer.body, cookies);
    if (fault)
      return { ok: false, reason: 'bad-answer', message: `the signer answered a bundle with a fault: ${fault}`, status: 200, fault };
    return {
      ok: true,
      bundle: {
        fetchResult: answer.body,
        cookies,
        roomId: answer.headers.get('x-room-id') ?? query.roomId,
        userAgent: answer.headers.get('x-user-agent') ?? query.userAgent ?? '',
        provider: answer.headers.get('x-provider') ?? 'remote',
      },
    };
  }

  /** Asks for the room of a creator and whether it is live. */
  async roomId(uniqueId: string, signal: AbortSignal): Promise<RoomIdResult> {
    const answer = await this.ask(`/webcast/anchors/${encodeURIComponent(uniqueId)}/room_id`, {
      headers: { accept: 'application/json' },
      signal,
    });
    if (!answer.ok) return answer;
    const body = jsonOf(answer) as { ok?: unknown; is_live?: unknown; room_id?: unknown; source?: unknown };
    // Without `ok` it is not this route that answers: a wrong address must not make a creator unknown.
    if (answer.status === 404 && body.ok === false) return { ok: false, reason: 'not-found', message: messageOf(answer), status: 404 };
    if (answer.status !== 200) return failureOf(answer);
    if (body.ok !== true) return { ok: false, reason: 'bad-answer', message: messageOf(answer), status: 200 };
    return {
      ok: true,
      live: body.is_live === true,
      ...(typeof body.room_id === 'string' && body.room_id !== '' ? { roomId: body.room_id } : {}),
      ...(typeof body.source === 'string' ? { source: body.source } : {}),
    };
  }

  /** Has one TikTok URL signed. */
  async signUrl(query: SignUrlQuery, signal: AbortSignal): Promise<SignUrlResult> {
    const answer = await this.ask('/tiktok/sign_url?client=tributary', {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify(query),
      signal,
    });
    if (!answer.ok) return answer;
    if (answer.status !== 200) return failureOf(answer);
    const signed = (jsonOf(answer) as { response?: Partial<SignedUrl> }).response;
    if (typeof signed?.signedUrl !== 'string' || Object.keys(signed.tokens ?? {}).length === 0) {
      return {
        ok: false,
        reason: 'bad-answer',
        message: 'the signer answered no signed URL or no tokens',
        status: 200,
        fault: 'undecodable',
      };
    }
    return {
      ok: true,
      signed: { ...signed, signedUrl: signed.signedUrl, userAgent: signed.userAgent ?? query.userAgent ?? '', tokens: signed.tokens ?? {} },
    };
  }

  private async ask(
    path: string,
    init: { method?: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
  ): Promise<Answer | SignFailure> {
    const timeout = AbortSignal.timeout(this.timeoutMs);
    try {
      const response = await this.fetch(this.base + path, {
        ...init,
        headers: { ...init.headers, ...(this.options.apiKey ? { 'x-api-key': this.options.apiKey } : {}) },
        // A redirect would carry the key and the cookies to wherever it points.
        redirect: 'error',
        signal: AbortSignal.any([init.signal, timeout]),
      });
      const body = await readBounded(response, this.answerBytesMax);
      if (!body) {
        const message = `the signer's answer is larger than ${this.answerBytesMax} bytes`;
        return { ok: false, reason: 'bad-answer', message, status: response.status, fault: 'too-large' };
      }
      return { ok: true, status: response.status, headers: response.headers, body };
    } catch (error) {
      if (init.signal.aborted) return { ok: false, reason: 'timeout', message: 'the request was given up before the signer answered' };
      if (timeout.aborted) return { ok: false, reason: 'timeout', message: `the signer did not answer within ${this.timeoutMs} ms` };
      return { ok: false, reason: 'unavailable', message: `the signer cannot be reached: ${causeOf(error)}` };
    }
  }
}

async function readBounded(response: Response, bytesMax: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    chunks.push(part.value);
    bytes += part.value.length;
    if (bytes > bytesMax) {
      await reader?.cancel();
      return undefined;
    }
  }
  return Buffer.concat(chunks);
}

function failureOf(answer: Answer): SignFailure {
  const stated = (jsonOf(answer) as ErrorBody).reason;
  const retry = retryAfterMs(answer.headers);
  return {
    ok: false,
    reason: stated !== undefined && REASONS.has(stated) ? (stated as SignFailureReason) : reasonOf(answer.status),
    message: messageOf(answer),
    status: answer.status,
    ...(retry === undefined ? {} : { retryAfterMs: retry }),
  };
}

function reasonOf(status: number): SignFailureReason {
  if (status === 429) return 'rate-limited';
  if (status === 402) return 'premium';
  if (status === 403) return 'blocked';
  if (status === 408 || status === 504) return 'timeout';
  return status >= 500 || status === 401 ? 'unavailable' : 'bad-answer';
}

function messageOf(answer: Answer): string {
  const { message } = jsonOf(answer) as ErrorBody;
  return typeof message === 'string' && message !== '' ? message.slice(0, 500) : `the signer answered status ${answer.status}`;
}

function jsonOf(answer: Answer): object {
  try {
    const value: unknown = JSON.parse(answer.body.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function causeOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message;
}
