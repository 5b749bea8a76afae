import { connect, type Socket } from 'node:net';
import { isLiveStream } from './live-media-types.js';

/** An answer as it came over the wire. */
export interface WireAnswer {
  kind: 'answer';
  status: number;
  /** By lower-case name; the first of several. */
  headers: Record<string, string>;
  body: string;
  ms: number;
}

/** What came of a request. `closed`: the connection ended without a whole answer; `silent`: nothing whole came in time. */
export type WireOutcome = WireAnswer | { kind: 'closed'; ms: number; got: string } | { kind: 'silent'; ms: number; got: string };

export interface SendOptions {
  /** No body comes with an answer to HEAD. */
  method: string;
  /** Waits this long at most, in ms. */
  msMax: number;
  /** Takes a connection that was used before, and leaves it for the next. */
  reuse: boolean;
}

const BODY_BYTES_MAX = 64 * 2 ** 20;
const IDLE_MAX = 64;

/**
 * Sends bytes to an HTTP server as they are, and reads one answer: clients refuse to send what a server must stand. Streams
 * without an end count as answered with their head.
 */
export class WireClient {
  private readonly idle: Socket[] = [];

  constructor(
    private readonly host: string,
    private readonly port: number,
  ) {}

  async send(bytes: Buffer, options: SendOptions): Promise<WireOutcome> {
    const used = options.reuse ? this.idle.pop() : undefined;
    if (used) {
      const outcome = await this.exchange(used, bytes, options);
      // A server may close an idle connection at any moment; then it has not seen this request.
      if (outcome.kind !== 'closed' || outcome.got !== '') return outcome;
    }
    return this.exchange(connect({ host: this.host, port: this.port, noDelay: true, allowHalfOpen: true }), bytes, options);
  }

  close(): void {
    for (const socket of this.idle.splice(0)) socket.destroy();
  }

  private forget(socket: Socket): void {
    const at = this.idle.indexOf(socket);
    if (at >= 0) this.idle.splice(at, 1);
    socket.destroy();
  }

  private exchange(socket: Socket, bytes: Buffer, { method, msMax, reuse }: SendOptions): Promise<WireOutcome> {
    const began = performance.now();
    const reader = new AnswerReader(method);
    return new Promise((resolve) => {
      const finish = (outcome: WireOutcome) => {
        clearTimeout(timer);
        socket.removeAllListeners();
        socket.on('error', () => undefined);
        const keeps = outcome.kind === 'answer' && reuse && reader.isReusable && this.idle.length < IDLE_MAX && !socket.destroyed;
        if (keeps) {
          socket.once('close', () => this.forget(socket));
          socket.once('end', () => this.forget(socket));
          this.idle.push(socket);
        } else socket.resetAndDestroy();
        resolve(outcome);
      };
      const ms = () => performance.now() - began;
      const end = (kind: 'closed' | 'silent') => {
        const answer = kind === 'closed' ? reader.atEnd() : undefined;
        finish(answer ? { ...answer, ms: ms() } : { kind, ms: ms(), got: reader.head });
      };
      const timer = setTimeout(() => end('silent'), msMax);
      socket.on('data', (chunk: Buffer) => {
        const answer = reader.read(chunk);
        if (answer) finish({ ...answer, ms: ms() });
      });
      socket.once('end', () => end('closed'));
      socket.once('close', () => end('closed'));
      socket.once('error', () => end('closed'));
      socket.write(bytes);
    });
  }
}

type Parsed = Omit<WireAnswer, 'ms'>;

/** Reads one answer out of what comes over a connection. */
class AnswerReader {
  isReusable = false;
  private bytes: Buffer = Buffer.alloc(0);
  private parsed: Parsed | undefined;
  private bodyStart = 0;

  constructor(private readonly method: string) {}

  /** What came so far, for people. */
  get head(): string {
    return this.bytes.subarray(0, 300).toString('latin1');
  }

  read(chunk: Buffer): Parsed | undefined {
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
    if (this.bytes.length > BODY_BYTES_MAX) throw new Error('an answer is larger than 64 MiB');
    return this.whole(false);
  }

  /** The answer, where the end of the connection ends it. */
  atEnd(): Parsed | undefined {
    return this.whole(true);
  }

  private whole(isOver: boolean): Parsed | undefined {
    while (!this.parsed) {
      const end = this.bytes.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      const parsed = readHead(this.bytes.subarray(0, end).toString('latin1'));
      if (!parsed) return undefined;
      this.bytes = this.bytes.subarray(end + 4);
      // An interim answer, such as 100 Continue.
      if (parsed.status >= 200 || parsed.status === 101) this.parsed = parsed;
    }
    const { parsed } = this;
    const { headers, status } = parsed;
    const body = this.bytes.subarray(this.bodyStart);
    const done = (text: Buffer, isReusable: boolean) => {
      this.isReusable = isReusable && headers.connection?.toLowerCase() !== 'close';
      return { ...parsed, body: text.toString('utf8') };
    };
    if (this.method === 'HEAD' || status === 204 || status === 304) return done(Buffer.alloc(0), body.length === 0);
    if (status === 101 || isLiveStream(headers['content-type'])) return done(Buffer.alloc(0), false);
    const length = headers['content-length'];
    if (length !== undefined) {
      const bytes = Number(length);
      return body.length >= bytes ? done(body.subarray(0, bytes), body.length === bytes) : undefined;
    }
    if (/chunked/i.test(headers['transfer-encoding'] ?? '')) {
      const read = unchunked(body);
      return read ? done(read.body, read.used === body.length) : undefined;
    }
    return isOver ? done(body, false) : undefined;
  }
}

function readHead(text: string): Parsed | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] ??= line.slice(colon + 1).trim();
  }
  return { kind: 'answer', status: Number(status), headers, body: '' };
}

/** A chunked body; undefined while it is not whole. */
function unchunked(bytes: Buffer): { body: Buffer; used: number } | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.subarray(at, line).toString('latin1'), 16);
    const start = line + 2;
    if (bytes.length < start + size + 2) return undefined;
    if (size === 0) return { body: Buffer.concat(parts), used: start + 2 };
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}
