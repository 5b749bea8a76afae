import type { Socket } from 'node:net';
import type { SsrfGuard, SsrfVerdict } from '@tributary/outbound';
import { readRetryAfter } from '@tributary/runtime';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { skipInterimAnswers } from './interim-answers.js';
import { categoryOfStatus, type FailureCategory, type Outcome, printable, shownHeaders } from './outcome.js';
import type { Target } from './target.js';

export interface GuardedHttpOptions {
  guard: SsrfGuard;
  /** Time for a connection, TLS included. */
  connectMs?: number;
  /** First bytes of an answer that are kept. */
  keptBytesMax?: number;
  /** An answer longer than this is cut off, and its connection with it. */
  bodyBytesMax?: number;
  /** A connection is not used for longer: the next one goes where the name leads by then. */
  connectionMs?: number;
  /** Further TLS settings, e.g. `ca` in tests. */
  tls?: { ca?: string };
}

export interface GuardedRequest {
  target: Target;
  method: 'POST' | 'OPTIONS';
  /** Names and values in turn. */
  headers: string[];
  body?: Buffer;
  /** Everything together: name, connection, answer. */
  timeoutMs: number;
}

const ADDRESSES_TRIED_MAX = 3;
const ANSWER_HEAD_BYTES_MAX = 16_384;

/** A failure that the guard itself found while connecting. */
class GuardError extends Error {
  constructor(readonly category: FailureCategory) {
    super(category);
  }
}

/**
 * The one way in which webhooks touch the network. Every request is judged anew, every connection is made to an address
 * that was judged (SNI and Host stay those of the URL), redirects are answers, and each answer is bounded in size and time.
 */
export class GuardedHttp {
  private agent: Agent;
  private agentSince = performance.now();
  private readonly connectionMs: number;
  /** Agents that finish what is on their connections. */
  private readonly retired = new Set<Agent>();
  private readonly connectors: buildConnector.connector[];
  private readonly limits: { keptBytesMax: number; bodyBytesMax: number };

  constructor(private readonly options: GuardedHttpOptions) {
    const { connectMs = 5_000, keptBytesMax = 16_384, bodyBytesMax = 131_072, connectionMs = 60_000, tls } = options;
    this.limits = { keptBytesMax, bodyBytesMax };
    this.connectionMs = connectionMs;
    // The n-th is used where n addresses share the time.
    this.connectors = Array.from({ length: ADDRESSES_TRIED_MAX }, (_, i) =>
      buildConnector({ ...tls, timeout: Math.ceil(connectMs / (i + 1)), rejectUnauthorized: true, allowH2: false }),
    );
    this.agent = this.newAgent();
  }

  /** Sends a request. Never throws: whatever happens is an outcome. */
  send(request: GuardedRequest): Promise<Outcome> {
    const started = performance.now();
    const known = this.options.guard.known(request.target);
    if (known?.kind === 'open') return this.exchange(request, started, request.timeoutMs);
    if (known) return Promise.resolve(failed(known.category, started));
    return this.vetAndSend(request, started);
  }

  /** Ends every request under way and every connection. */
  async close(): Promise<void> {
    this.options.guard.close();
    await Promise.all([this.agent, ...this.retired].map((agent) => agent.destroy()));
  }

  private newAgent(): Agent {
    return new Agent({
      connect: (to, callback) => void this.connect(to, callback),
      maxHeaderSize: ANSWER_HEAD_BYTES_MAX,
      // The deadline of the whole attempt is this class's own.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  private async vetAndSend(request: GuardedRequest, started: number): Promise<Outcome> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, request.timeoutMs, 'late')));
    const verdict = await Promise.race([this.options.guard.check(request.target), late]);
    clearTimeout(timer);
    if (verdict === 'late') return failed('timeout', started);
    if (verdict.kind === 'closed') return failed(verdict.category, started);
    return this.exchange(request, started, Math.max(1, request.timeoutMs - elapsed(started)));
  }

  private exchange({ target, method, headers, body }: GuardedRequest, started: number, timeoutMs: number): Promise<Outcome> {
    if (started - this.agentSince > this.connectionMs) this.renew(started);
    return new Promise((resolve) => {
      const exchange = new Exchange(started, timeoutMs, this.limits, resolve);
      this.agent.dispatch({ origin: target.origin, path: target.path, method, headers, body: body ?? null }, exchange);
    });
  }

  /** New connections from here on: they go where names lead by now. Those in use end with what is on them. */
  private renew(now: number): void {
    const old = this.agent;
    this.agent = this.newAgent();
    this.agentSince = now;
    this.retired.add(old);
    void old.close().finally(() => this.retired.delete(old));
  }

  private async connect(to: buildConnector.Options, callback: buildConnector.Callback): Promise<void> {
    const port = Number(to.port) || (to.protocol === 'https:' ? 443 : 80);
    let verdict: SsrfVerdict;
    try {
      verdict = await this.options.guard.check({ hostname: to.hostname, port });
    } catch (error) {
      return callback(error as Error, null);
    }
    if (verdict.kind === 'closed') return callback(new GuardError(verdict.category), null);
    const addresses = verdict.addresses.slice(0, ADDRESSES_TRIED_MAX);
    const connector = this.connectors[addresses.length - 1]!;
    const attempt = (index: number): void => {
      connector({ ...to, hostname: addresses[index]! }, (...[error, socket]: Parameters<buildConnector.Callback>) => {
        if (socket) return this.checkEnd(socket, port, callback);
        if (index + 1 < addresses.length) return attempt(index + 1);
        callback(connectError(error, to.protocol), null);
      });
    };
    attempt(0);
  }

  /** A last look at where the connection ended, whatever made it. */
  private checkEnd(socket: Socket, port: number, callback: buildConnector.Callback): void {
    if (this.options.guard.allows(socket.remoteAddress, port)) {
      skipInterimAnswers(socket);
      return callback(null, socket);
    }
    socket.destroy();
    callback(new GuardError('blocked_address'), null);
  }
}

/** One request and its answer, read as far as it may be. */
class Exchange implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | undefined;
  private status: number | undefined;
  private headers: Record<string, string | string[] | undefined> = {};
  private chunks: Buffer[] = [];
  private bytes = 0;
  private over = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly started: number,
    timeoutMs: number,
    private readonly limits: { keptBytesMax: number; bodyBytesMax: number },
    private readonly settle: (outcome: Outcome) => void,
  ) {
    // A status that came counts as the receiver's answer, even if the rest did not come in time.
    this.timer = setTimeout(() => this.end('timeout'), timeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.over) controller.abort(new Error('the attempt is over'));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[] | undefined>): void {
    this.status = status;
    this.headers = headers;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.bytes < this.limits.keptBytesMax) this.chunks.push(chunk.subarray(0, this.limits.keptBytesMax - this.bytes));
    this.bytes += chunk.length;
    if (this.bytes > this.limits.bodyBytesMax) this.end();
  }

  onResponseEnd(): void {
    this.finish();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.finish(categoryOf(error));
  }

  private end(category?: FailureCategory): void {
    this.finish(category);
    this.controller?.abort(new Error('the attempt is over'));
  }

  private finish(failure?: FailureCategory): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    const { status } = this;
    if (status === undefined) return this.settle(failed(failure ?? 'response', this.started));
    const category = categoryOfStatus(status);
    const body = this.chunks.length === 0 ? '' : printable(Buffer.concat(this.chunks).toString('utf8'));
    const latencyMs = elapsed(this.started);
    if (category === undefined) return this.settle({ status, latencyMs, headers: shownHeaders(this.headers), body });
    const retryAfterMs = readRetryAfter(this.headers['retry-after']);
    this.settle({
      category,
      status,
      latencyMs,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      headers: shownHeaders(this.headers),
      body,
    });
  }
}

function failed(category: FailureCategory, started: number): Outcome {
  return { category, latencyMs: elapsed(started), headers: {}, body: '' };
}

function elapsed(started: number): number {
  return Math.round(performance.now() - started);
}

function connectError(error: NodeJS.ErrnoException | null, protocol: string): Error {
  const code = error?.code ?? '';
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return new GuardError('timeout');
  // After the TCP connection stands, everything that fails is TLS; before, these are all there is.
  const beforeTls = /^E(CONNREFUSED|HOSTUNREACH|NETUNREACH|NETDOWN|HOSTDOWN|ADDRNOTAVAIL|ACCES|PERM|INVAL|MFILE|NFILE)$/.test(code);
  return new GuardError(protocol === 'https:' && !beforeTls ? 'tls' : 'connect');
}

function categoryOf(error: Error): FailureCategory {
  if (error instanceof GuardError) return error.category;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  // What is not HTTP, or too much of it; the parser's errors carry no code in every case.
  const malformed =
    error.name === 'HTTPParserError' || code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW' || code.startsWith('UND_ERR_RES');
  return malformed ? 'response' : 'reset';
}
