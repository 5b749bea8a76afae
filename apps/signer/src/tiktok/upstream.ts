import { Agent, type Dispatcher, fetch, ProxyAgent } from 'undici';
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
  headers: Headers;
  body: Buffer;
  /** `Set-Cookie` lines of this answer and of the redirects before it. */
  setCookies: string[];
}

const REDIRECTS_MAX = 3;

/** Connections to the outside, straight or by way of a proxy. */
export function makeDispatcher(connections: number, proxy: string | undefined): Dispatcher {
  const bounds = { connections, keepAliveTimeout: 10_000, connect: { timeout: 5_000 } };
  return proxy === undefined ? new Agent(bounds) : new ProxyAgent({ uri: proxy, ...bounds });
}

/** HTTP to TikTok and the simulator, and to nobody else: every address is checked, redirects too, and every answer is bounded. */
export class Upstream {
  private readonly dispatcher: Dispatcher;

  constructor(
    private readonly hosts: Hosts,
    private readonly options: { bodyBytesMax: number; connectionsMax: number; /** `http(s)://user:password@host:port` */ proxy?: string },
  ) {
    this.dispatcher = makeDispatcher(options.connectionsMax, options.proxy);
  }

  /** Sends one request. Whatever status comes is an answer; failures are of the network, of the bounds, of the rules. */
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

  private async once(url: URL, { method = 'GET', headers, body, signal }: UpstreamRequest): Promise<UpstreamAnswer | Failure> {
    try {
      const response = await fetch(url, { method, headers, body, signal, redirect: 'manual', dispatcher: this.dispatcher });
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of response.body ?? []) {
        bytes += (chunk as Uint8Array).length;
        if (bytes > this.options.bodyBytesMax) {
          return { ok: false, reason: 'bad-answer', message: `${url.host} answers more than ${this.options.bodyBytesMax} bytes` };
        }
        chunks.push(chunk as Uint8Array);
      }
      return {
        ok: true,
        status: response.status,
        headers: new Headers([...response.headers]),
        body: Buffer.concat(chunks),
        setCookies: response.headers.getSetCookie(),
      };
    } catch (error) {
      if (signal.aborted) return { ok: false, reason: 'timeout', message: `${url.host} did not answer in time` };
      const { cause, message } = error as Error;
      const why = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message;
      return { ok: false, reason: 'connect', message: `${url.host} cannot be reached: ${why}` };
    }
  }
}

/** The failure that a status other than 200 stands for; undefined for 200. */
export function statusFailure(answer: UpstreamAnswer, what: string, retryAfterMs?: number): Failure | undefined {
  if (answer.status === 200) return undefined;
  const message = `${what} answered status ${answer.status}`;
  return { ok: false, reason: reasonOfStatus(answer.status), message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function withoutCookie(request: UpstreamRequest): UpstreamRequest {
  const headers = Object.fromEntries(Object.entries(request.headers ?? {}).filter(([name]) => name.toLowerCase() !== 'cookie'));
  return { ...request, headers };
}
