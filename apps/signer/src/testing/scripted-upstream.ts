import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';

/** One way for an upstream to misbehave. */
export type UpstreamFault =
  'empty-body' | 'empty-cursor' | 'missing-cookie' | 'garbage' | 'http-402' | 'http-403' | 'http-429' | 'http-500' | 'hang' | 'crash';

/** A request as the upstream saw it. */
export interface Seen {
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A page's SDK in its smallest form: whatever the page fetches gets tokens. */
const PAGE_SDK = `const plain = window.fetch.bind(window);
window.fetch = (to, init) => plain(to + (String(to).includes('?') ? '&' : '?') + 'X-Bogus=bogus&msToken=token', init);`;

/**
 * All routes that providers use, in one server with scripted answers: front page, signature, connect bundle, and the
 * routes of a remote sign server. A fault strikes the last request of a connect, where providers must notice it.
 */
export class ScriptedUpstream {
  readonly seen: Seen[] = [];
  fault: UpstreamFault | undefined;
  /** Path that the fault strikes; every path without one. */
  faultPath: RegExp | undefined;
  retryAfter = '7';
  private readonly server = createServer((request, response) => void this.handle(request, response));
  private readonly hanging = new Set<ServerResponse>();

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const response of this.hanging) response.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** A bundle for a room; `cursor` empty makes it one that clients refuse. */
  static bundle(roomId: string, cursor = 't-1_r-1'): Buffer {
    return Buffer.from(
      ProtoMessageFetchResult.encode({
        messages: [],
        cursor,
        fetchInterval: '1000',
        now: '0',
        internalExt: `room:${roomId}`,
        fetchType: 0,
        routeParams: { room_id: roomId },
        heartbeatDuration: '0',
        needAck: false,
        pushServer: 'wss://webcast-ws.tiktok.com/webcast/im/push/v2/',
        isFirst: true,
        historyCommentCursor: '',
        historyNoMore: false,
      }).finish(),
    );
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    this.seen.push({ path: url.pathname, query: url.searchParams, headers: request.headers, body });
    const fault = this.faultPath === undefined || this.faultPath.test(url.pathname) ? this.fault : undefined;
    if (fault === 'hang') {
      this.hanging.add(response);
      return;
    }
    if (fault === 'crash') {
      request.socket.destroy();
      return;
    }
    if (fault?.startsWith('http-')) {
      const status = Number(fault.slice(5));
      response.writeHead(status, { 'content-type': 'application/json', ...(status === 429 ? { 'retry-after': this.retryAfter } : {}) });
      response.end(JSON.stringify({ code: status, message: `the upstream says ${status} to this` }));
      return;
    }
    this.answer(url, body, fault, response);
  }

  private answer(url: URL, body: string, fault: UpstreamFault | undefined, response: ServerResponse): void {
    if (fault === 'garbage') {
      response.setHeader('x-set-tt-cookie', 'ttwid=scripted');
      response.end('<html>please verify that you are human</html>');
    } else if (url.pathname === '/') {
      if (fault !== 'missing-cookie') response.setHeader('set-cookie', ['msToken=abc; Path=/', 'ttwid=scripted; Path=/; HttpOnly']);
      response.setHeader('content-type', 'text/html');
      response.end(`<html><script>${PAGE_SDK}</script></html>`);
    } else if (url.pathname.startsWith('/@')) {
      if (fault !== 'missing-cookie') response.setHeader('set-cookie', 'ttwid=scripted; Path=/; HttpOnly');
      response.setHeader('content-type', 'text/html');
      const roomId = url.pathname.slice(2).split('/', 1)[0]?.replace('room', '') ?? '';
      response.end(`<html><script>${PAGE_SDK}; fetch('/webcast/im/fetch/?room_id=${roomId}').catch(() => undefined);</script></html>`);
    } else if (url.pathname === '/sim/sign' || url.pathname === '/tiktok/sign_url') {
      const asked = JSON.parse(body) as { url: string; userAgent: string };
      const signedUrl = `${asked.url}${asked.url.includes('?') ? '&' : '?'}X-Bogus=bogus&msToken=token`;
      const signed = { signedUrl, userAgent: asked.userAgent, tokens: { 'X-Bogus': 'bogus', msToken: 'token' } };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(url.pathname === '/sim/sign' ? signed : { code: 200, response: signed }));
    } else {
      const roomId = url.searchParams.get('room_id') ?? url.pathname.split('/')[3] ?? '';
      if (fault !== 'missing-cookie') response.setHeader('x-set-tt-cookie', 'ttwid=scripted; Path=/');
      response.end(fault === 'empty-body' ? '' : ScriptedUpstream.bundle(roomId, fault === 'empty-cursor' ? '' : undefined));
    }
  }
}
