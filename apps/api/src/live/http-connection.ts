import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Closed, HttpLiveCodec } from './codec.js';
import type { LiveConnection, WriteOutcome } from './connection.js';
import type { StreamLimits } from './stream-limits.js';

/** A client that has not taken the last bytes after this is dropped. */
const CLOSE_TIMEOUT_MS = 1_000;

/** Headers of a body that does not end: no cache keeps it, no proxy holds it back. */
export function streamHeaders({ mediaType }: HttpLiveCodec): Record<string, string> {
  return { 'content-type': `${mediaType}; charset=utf-8`, 'cache-control': 'no-store', 'x-accel-buffering': 'no' };
}

/** A live reader over one answer of HTTP: never more than a bounded buffer ahead of the client. */
export class HttpConnection implements LiveConnection {
  private blocked = false;

  constructor(
    private readonly response: ServerResponse,
    private readonly codec: HttpLiveCodec,
    private readonly limits: StreamLimits,
  ) {}

  /** Takes the answer out of Fastify's hands and writes its head, with the headers that were set before. */
  static open(reply: FastifyReply, codec: HttpLiveCodec, limits: StreamLimits): HttpConnection {
    reply.hijack();
    reply.raw.writeHead(200, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...streamHeaders(codec) });
    reply.raw.socket?.setNoDelay(true);
    return new HttpConnection(reply.raw, codec, limits);
  }

  get ready(): boolean {
    return !this.blocked && !this.gone;
  }

  async write(texts: readonly string[]): Promise<WriteOutcome> {
    const { response, limits } = this;
    if (this.gone) return 'closed';
    // One system call for many events.
    if (response.write(texts.join(''))) return 'sent';
    if (response.writableLength > limits.bufferBytesMax) return 'slow';
    this.blocked = true;
    const outcome = await this.drained();
    this.blocked = false;
    return outcome;
  }

  close(closed: Closed): void {
    const { response } = this;
    if (this.gone) return;
    response.end(this.codec.encode(closed));
    const timer = setTimeout(() => response.destroy(), CLOSE_TIMEOUT_MS);
    response.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.response.destroy();
  }

  onLeft(left: () => void): void {
    if (this.response.destroyed) return left();
    // The request's close may never fire; the response's does.
    this.response.once('close', left);
    this.response.once('error', left);
  }

  private get gone(): boolean {
    return this.response.destroyed || this.response.writableEnded;
  }

  private drained(): Promise<WriteOutcome> {
    const { response } = this;
    return new Promise((resolve) => {
      const settle = (outcome: WriteOutcome) => () => {
        clearTimeout(timer);
        response.off('drain', sent);
        response.off('close', closed);
        resolve(outcome);
      };
      const sent = settle('sent');
      const closed = settle('closed');
      const timer = setTimeout(settle('slow'), this.limits.drainMsMax);
      response.once('drain', sent);
      response.once('close', closed);
    });
  }
}
