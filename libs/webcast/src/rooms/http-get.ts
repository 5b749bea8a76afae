import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { type Dispatcher, request } from 'undici';
import { onAbort, untilAborted } from '../abort.js';

/** An answer of whatever status, or why there is none. */
export type HttpAnswer =
  | { ok: true; status: number; headers: IncomingHttpHeaders; body: string }
  | { ok: false; reason: 'timeout' | 'aborted' | 'unreachable' | 'too-large' | 'unreadable'; message: string };

/** How a request is made. Nothing is kept from one request to the next: no cookie jar, no redirects followed. */
export interface HttpRequestOptions {
  headers: Record<string, string>;
  /** For the whole exchange, from dialling to the last byte. */
  timeoutMs: number;
  /** Of the body, both as sent and unpacked. */
  bodyBytesMax: number;
  dispatcher?: Dispatcher;
}

const unpackers: Record<string, ((data: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>) | undefined> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/** GETs `url` as text (UTF-8). Never throws, and ends at its time-out and its abort, whatever the server or a proxy does. */
export async function get(url: URL, options: HttpRequestOptions, signal: AbortSignal): Promise<HttpAnswer> {
  const controller = new AbortController();
  let timedOut = false;
  const abort = () => controller.abort();
  const timer = setTimeout(() => {
    timedOut = true;
    abort();
  }, options.timeoutMs);
  const ignoreAbort = onAbort(signal, abort);
  if (signal.aborted) abort();
  try {
    return await untilAborted(exchange(url, options, controller.signal), controller.signal);
  } catch (error) {
    if (signal.aborted) return { ok: false, reason: 'aborted', message: 'aborted' };
    if (timedOut) return { ok: false, reason: 'timeout', message: `no answer within ${options.timeoutMs} ms` };
    return { ok: false, reason: 'unreachable', message: describe(error) };
  } finally {
    clearTimeout(timer);
    ignoreAbort();
  }
}

async function exchange(url: URL, { headers, bodyBytesMax, dispatcher }: HttpRequestOptions, signal: AbortSignal): Promise<HttpAnswer> {
  const response = await request(url, {
    method: 'GET',
    headers: { ...headers, 'accept-encoding': 'gzip, deflate, br' },
    dispatcher,
    signal,
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) return { ok: false, reason: 'too-large', message: `the answer is longer than ${bodyBytesMax} bytes` };
    chunks.push(chunk);
  }
  const answered = { ok: true, status: response.statusCode, headers: response.headers } as const;
  const encoding = String(response.headers['content-encoding'] ?? 'identity').toLowerCase();
  const packed = Buffer.concat(chunks);
  if (encoding === 'identity' || packed.length === 0) return { ...answered, body: packed.toString('utf8') };
  const unpack = unpackers[encoding];
  if (unpack === undefined) return { ok: false, reason: 'unreadable', message: `content encoding ${encoding.slice(0, 20)} is not known` };
  try {
    return { ...answered, body: (await unpack(packed, { maxOutputLength: bodyBytesMax })).toString('utf8') };
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    if (tooLarge) return { ok: false, reason: 'too-large', message: `the answer unpacks to more than ${bodyBytesMax} bytes` };
    return { ok: false, reason: 'unreadable', message: `the answer cannot be unpacked: ${describe(error)}` };
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : undefined;
  return error.message || inner?.message || error.name;
}
