import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { proxyDispatcher, untilAborted } from '@tributary/webcast';
import { Agent, type Dispatcher, request as send } from 'undici';
import { type Failure, reasonOfStatus } from '../providers/provider.js';
import { type Hosts, isTikTok } from './hosts.js';

export interface UpstreamRequest {
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string;
  signal: AbortSignal;
}

export interface UpstreamAnswer {
  ok: true;
  status: number;
  /** One header by its name in lower case. */
  headers: { get(name: string): string | null };
  body: Buffer;
  /** `Set-Cookie` lines of this answer and of the redirects before it. */
  setCookies: string[];
}

export interface UpstreamOptions {
  /** Of one answer, as sent and unpacked. */
  bodyBytesMax: number;
  connectionsMax: number;
  /** `http(s)://user:password@host:port` */
  proxy?: string;
}

const REDIRECTS_MAX = 3;

type Unpack = (data: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;
const UNPACKERS: Record<string, Unpack | undefined> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

/** Connections to the outside, direct or through a proxy. A proxy gets one for each request under way, which the semaphores bound. */
export function makeDispatcher(connections: number, proxy: string | undefined): Dispatcher {
  return proxy === undefined
    ? new Agent({ connections, keepAliveTimeout: 10_000, connect: { timeout: 5_000 } })
    : proxyDispatcher({ url: proxy });
}

/** HTTP to TikTok and the simulator only. Every address is checked, redirects too, and every answer is bounded. */
export class Upstream {
  private readonly dispatcher: Dispatcher;

  constructor(
    private readonly hosts: Hosts,
    private readonly options: UpstreamOptions,
  ) {
    this.dispatcher = makeDispatcher(options.connectionsMax, options.proxy);
  }

  /** Sends one request. Every status is an answer; failures come from the network, the bounds or the rules. */
  async ask(address: URL, request: UpstreamRequest): Promise<UpstreamAnswer | Failure> {
    const setCookies: string[] = [];
    let url = address;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      if (!this.hosts.allows(url)) return { ok: false, reason: 'bad-answer', message: `${url.host} is neither TikTok nor the simulator` };
      // Cookies must not travel in clear: client libraries ask TikTok by http://.
      if (url.protocol === 'http:' && isTikTok(url)) url = new URL(`https:${url.href.slice(5)}`);
      const answer = await this.once(url, url.host === address.host ? request : withoutCookie(request));
      if (!answer.ok) return answer;
      setCookies.push(...answer.setCookies);
      const location = answer.status >= 300 && answer.status < 400 ? answer.headers.get('location') : null;
      if (location === null || request.method === 'POST') return { ...answer, setCookies };
      if (!URL.canParse(location, url.href)) return { ok: false, reason: 'bad-answer', message: `${url.host} redirects to no address` };
      url = new URL(location, url);
    }
    return { ok: false, reason: 'bad-answer', message: `${address.host} redirects more than ${REDIRECTS_MAX} times` };
  }

  async close(): Promise<void> {
    await this.dispatcher.destroy();
  }

  private async once(url: URL, request: UpstreamRequest): Promise<UpstreamAnswer | Failure> {
    const { signal } = request;
    try {
      return await untilAborted(this.exchange(url, request), signal);
    } catch (error) {
      if (signal.aborted) return { ok: false, reason: 'timeout', message: `${url.host} did not answer in time` };
      // The detail of a proxy's failure may be shown: the operator chose this proxy.
      const { code, message, detail } = error as NodeJS.ErrnoException & { detail?: string };
      return { ok: false, reason: 'connect', message: `${url.host} cannot be reached: ${detail ?? code ?? message}` };
    }
  }

  /** @throws whatever the network does */
  private async exchange(url: URL, { method = 'GET', headers, body, signal }: UpstreamRequest): Promise<UpstreamAnswer | Failure> {
    const { dispatcher } = this;
    const { bodyBytesMax } = this.options;
    const tooLarge = (): Failure => ({ ok: false, reason: 'bad-answer', message: `${url.host} answers more than ${bodyBytesMax} bytes` });
    const response = await send(url, {
      method,
      headers: { 'accept-encoding': 'gzip, deflate, br', ...headers },
      body,
      signal,
      dispatcher,
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) return tooLarge();
      chunks.push(chunk);
    }
    const packed = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
    const unpacked = await unpack(packed, response.headers, bodyBytesMax);
    if (unpacked === 'too-large') return tooLarge();
    if (unpacked === 'unreadable')
      return { ok: false, reason: 'bad-answer', message: `${url.host} answers in an encoding that cannot be read` };
    return {
      ok: true,
      status: response.statusCode,
      headers: reader(response.headers),
      body: unpacked,
      setCookies: cookieLines(response.headers),
    };
  }
}

/** The failure that a status other than 200 stands for; undefined for 200. */
export function statusFailure(answer: UpstreamAnswer, what: string, retryAfterMs?: number): Failure | undefined {
  if (answer.status === 200) return undefined;
  const message = `${what} answered status ${answer.status}`;
  return { ok: false, reason: reasonOfStatus(answer.status), message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

async function unpack(packed: Buffer, headers: IncomingHttpHeaders, bytesMax: number): Promise<Buffer | 'too-large' | 'unreadable'> {
  const encoding = (headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity' || packed.length === 0) return packed;
  try {
    return (await UNPACKERS[encoding]?.(packed, { maxOutputLength: bytesMax })) ?? 'unreadable';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'unreadable';
  }
}

function reader(headers: IncomingHttpHeaders): UpstreamAnswer['headers'] {
  return {
    get: (name) => {
      const value = headers[name];
      return value === undefined ? null : Array.isArray(value) ? (value[0] ?? null) : value;
    },
  };
}

function cookieLines({ 'set-cookie': lines }: IncomingHttpHeaders): string[] {
  // undici gives one line as text.
  const given = lines as string[] | string | undefined;
  return given === undefined ? [] : Array.isArray(given) ? given : [given];
}

function withoutCookie(request: UpstreamRequest): UpstreamRequest {
  const headers = Object.fromEntries(Object.entries(request.headers ?? {}).filter(([name]) => name.toLowerCase() !== 'cookie'));
  return { ...request, headers };
}
