import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { selfSignedCertificate, waitFor } from '@tributary/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { get } from '../rooms/http-get.js';
import { proxyDispatcher, readProxy, TunnelAgent } from './proxy.js';
import { frame, messages, never, PushServer, result, ROOM, USER_AGENT } from '../testing/push-server.js';

/** An HTTP proxy with the tunnels it made. */
class Proxy {
  readonly tunnels: { authority: string; authorization: string | undefined }[] = [];
  /** Status of its answer; 200 opens the tunnel. */
  status = 200;
  private readonly server: Server = createServer((_request, response) => void response.writeHead(405).end());
  private readonly sockets = new Set<Socket>();

  async start(): Promise<this> {
    this.server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
      this.tunnels.push({ authority: request.url ?? '', authorization: request.headers['proxy-authorization'] });
      this.sockets.add(client.on('error', () => undefined));
      if (this.status !== 200) return void client.end(`HTTP/1.1 ${this.status} No\r\n\r\n`);
      const { hostname, port } = new URL(`http://${request.url}`);
      const target = connect(Number(port), hostname.replace(/^\[|\]$/g, ''), () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        target.write(head);
        target.pipe(client).pipe(target);
      });
      this.sockets.add(target.on('error', () => client.destroy()));
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  url(credentials = ''): string {
    return `http://${credentials}127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('the address of a proxy', () => {
  it('is taken in forms that work, and shown without user and password', () => {
    const shown = (text: string) => {
      const read = readProxy(text);
      return read.ok ? read.shown : undefined;
    };
    expect(['http://10.0.0.1:8080', 'https://us%40er:p%3Ass@Proxy.example', 'http://token@[::1]:3128/'].map(shown)).toEqual([
      'http://10.0.0.1:8080',
      'https://***@proxy.example',
      'http://***@[::1]:3128',
    ]);
  });

  it('is refused with a reason that does not repeat it', () => {
    const bad = [
      '',
      'host:8080',
      'socks5://user:secret@h:1',
      'http://h:1/secret',
      'http://h:1?secret',
      'http://%E0%A4%A@h:1',
      `http://${'s'.repeat(2_000)}`,
    ];
    for (const text of bad) {
      const read = readProxy(text);
      expect({ text, ok: read.ok }).toEqual({ text, ok: false });
      expect(JSON.stringify(read)).not.toContain('secret');
    }
  });
});

describe('a connection through a proxy', () => {
  let proxy: Proxy;
  let server: PushServer;
  beforeEach(async () => {
    proxy = await new Proxy().start();
    server = await new PushServer().start();
  });
  afterEach(async () => {
    await server.stop();
    await proxy.stop();
  });

  it('is a tunnel with its user and password, and carries what the bundle pins: cookies, user agent and the browser that fits', async () => {
    const { peer, seen } = await server.open({ proxy: { url: proxy.url('us%20er:p%40ss@') } }, { messages: messages(1) });
    expect(proxy.tunnels).toEqual([{ authority: server.host, authorization: `Basic ${Buffer.from('us er:p@ss').toString('base64')}` }]);
    const { headers, url } = peer.request;
    expect(headers).toMatchObject({ 'user-agent': USER_AGENT, cookie: 'ttwid=abc; tt-target-idc=x' });
    expect(JSON.stringify(headers)).not.toContain('proxy');
    const params = new URL(url!, 'ws://x').searchParams;
    expect(Object.fromEntries(['room_id', 'browser_version', 'browser_platform'].map((name) => [name, params.get(name)]))).toEqual({
      room_id: ROOM,
      browser_version: USER_AGENT.slice(USER_AGENT.indexOf('/') + 1),
      browser_platform: 'Linux x86_64',
    });
    peer.socket.send(frame(result({ messages: messages(2) })));
    await waitFor(() => seen.join() === '1,2');
  });

  it('that fails says the same for every reason, and tells why to the log of the operator alone', async () => {
    const failing = async (url: string) => {
      const details: string[] = [];
      const result = await server.make({ proxy: { url, onFailure: (detail) => details.push(detail) } }).session.connect(never);
      expect(result).toEqual({ ok: false, reason: 'unreachable', message: 'the proxy cannot be reached' });
      expect(JSON.stringify(details)).not.toContain('geheim');
      return details;
    };
    proxy.status = 407;
    expect(await failing(proxy.url('user:geheim@'))).toEqual(['the proxy answered 407']);
    expect(await failing('http://user:geheim@127.0.0.1:9')).toEqual(['ECONNREFUSED']);
    expect(await failing(`http://user:geheim@${server.host}`)).toHaveLength(1);
  });

  it('to a wss server is TLS inside the tunnel: the proxy sees the host alone', async () => {
    const { key, cert } = selfSignedCertificate();
    const secure = createTlsServer({ key, cert });
    const sockets = new WebSocketServer({ server: secure });
    sockets.on('connection', (socket) => socket.send('hello'));
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const { port } = secure.address() as AddressInfo;
    try {
      const dial = (options: object) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(`wss://127.0.0.1:${port}/`, { agent: new TunnelAgent({ url: proxy.url() }, true), ...options });
          socket.on('message', (bytes: Buffer) => (resolve(bytes.toString()), socket.terminate()));
          socket.on('error', (error) => resolve(error.message));
        });
      expect(await dial({ ca: cert })).toBe('hello');
      expect(await dial({})).toMatch(/self-signed/);
      expect(proxy.tunnels.map(({ authority }) => authority)).toEqual(Array(2).fill(`127.0.0.1:${port}`));
    } finally {
      for (const client of sockets.clients) client.terminate();
      secure.closeAllConnections();
      await new Promise((resolve) => secure.close(resolve));
    }
  });

  it('is used by polls too', async () => {
    const web = createServer((_request, response) => void response.end('page'));
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const dispatcher = proxyDispatcher({ url: proxy.url('u:p@') });
    try {
      const { port } = web.address() as AddressInfo;
      const options = { headers: {}, timeoutMs: 2_000, bodyBytesMax: 100, dispatcher };
      expect(await get(new URL(`http://127.0.0.1:${port}/`), options, never)).toMatchObject({ ok: true, body: 'page' });
      expect(proxy.tunnels).toEqual([{ authority: `127.0.0.1:${port}`, authorization: `Basic ${Buffer.from('u:p').toString('base64')}` }]);
      proxy.status = 407;
      await dispatcher.close();
      const other = proxyDispatcher({ url: proxy.url('u:geheim@') });
      const answer = await get(new URL(`http://127.0.0.1:${port}/`), { ...options, dispatcher: other }, never);
      await other.destroy();
      expect(answer).toEqual({ ok: false, reason: 'unreachable', message: 'the proxy cannot be reached' });
    } finally {
      web.closeAllConnections();
      await new Promise((resolve) => web.close(resolve));
    }
  });
});

const BEHAVIOURS: [string, (socket: Socket) => void][] = [
  ['accepts and closes', (socket) => void socket.end()],
  ['accepts, reads the request and closes', (socket) => void socket.once('data', () => socket.destroy())],
  ['stays unresponsive', () => undefined],
  [
    'sends a byte now and then',
    (socket) => {
      const timer = setInterval(() => socket.write('H'), 50);
      socket.on('close', () => clearInterval(timer));
    },
  ],
];
describe.each(BEHAVIOURS)('a proxy that %s', (_, behave) => {
  let url: string;
  let connections = 0;
  let stop: () => Promise<unknown>;
  beforeEach(async () => {
    connections = 0;
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      connections += 1;
      sockets.add(socket.on('error', () => undefined));
      behave(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    stop = () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    };
  });
  afterEach(() => stop());

  it('ends a request at its time-out or before, is dialled once for it, and not again afterwards', async () => {
    const dispatcher = proxyDispatcher({ url });
    const options = { headers: {}, timeoutMs: 500, bodyBytesMax: 100, dispatcher };
    const began = performance.now();
    for (const target of ['http://a.test/', 'https://a.test/']) {
      expect(await get(new URL(target), options, never)).toMatchObject({ ok: false });
    }
    expect(performance.now() - began).toBeLessThan(10_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(connections).toBe(2);
    await dispatcher.destroy();
  });

  it('ends a request and a WebSocket at their abort', async () => {
    const server = await new PushServer().start();
    const dispatcher = proxyDispatcher({ url });
    try {
      const controller = new AbortController();
      const options = { headers: {}, timeoutMs: 60_000, bodyBytesMax: 100, dispatcher };
      const asking = get(new URL('https://a.test/'), options, controller.signal);
      const connecting = server.make({ proxy: { url } }).session.connect(controller.signal);
      await waitFor(() => connections === 2);
      controller.abort();
      const began = performance.now();
      expect(await asking).toMatchObject({ ok: false });
      expect(await connecting).toMatchObject({ ok: false });
      expect(performance.now() - began).toBeLessThan(10_000);
    } finally {
      await dispatcher.destroy();
      await server.stop();
    }
  });
});
