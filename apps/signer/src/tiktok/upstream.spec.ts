import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { Hosts, isTikTok } from './hosts.js';
import { Upstream, type UpstreamAnswer } from './upstream.js';

const signal = new AbortController().signal;

describe('Upstream', () => {
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  let url: string;
  let upstream: Upstream;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    upstream = new Upstream(new Hosts([url]), { bodyBytesMax: 10_000, connectionsMax: 4 });
  });
  afterAll(async () => {
    await upstream.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  beforeEach(() => {
    seen.splice(0);
  });
  const ask = (path: string, headers: Record<string, string> = {}) => upstream.ask(new URL(path, url), { headers, signal });
  const redirect =
    (to: string): typeof answer =>
    (request, response) => {
      if (request.url === '/end') response.end('there');
      else response.writeHead(302, { location: to, 'set-cookie': 'a=1' }).end();
    };

  it.each([
    'http://169.254.169.254/latest/meta-data',
    'http://127.0.0.1:1/',
    'https://tiktok.com.example.org/',
    'http://user@www.tiktok.com/',
    'https://www.tiktok.com:8443/',
    'file:///etc/passwd',
  ])('goes to no other host, not even by a redirect: %s', async (to) => {
    expect(await upstream.ask(new URL(to), { signal })).toMatchObject({ ok: false, reason: 'bad-answer' });
    answer = redirect(to);
    expect(await ask('/begin')).toMatchObject({ ok: false, reason: 'bad-answer' });
    expect(seen).toHaveLength(1);
  });

  it('ends at its abort, and dials once, where its proxy accepts and closes, or says nothing', async () => {
    for (const isMute of [true, false]) {
      let connections = 0;
      const sockets: Socket[] = [];
      const proxy = createTcpServer((socket) => {
        connections += 1;
        sockets.push(socket.on('error', () => undefined));
        if (!isMute) socket.end();
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      const { port } = proxy.address() as AddressInfo;
      const through = new Upstream(new Hosts([url]), { bodyBytesMax: 10_000, connectionsMax: 4, proxy: `http://127.0.0.1:${port}` });
      const answered = await through.ask(new URL(url), { signal: AbortSignal.timeout(300) });
      expect(answered).toMatchObject({ ok: false, reason: isMute ? 'timeout' : 'connect' });
      expect(connections).toBe(1);
      await through.close();
      for (const socket of sockets) socket.destroy();
      proxy.close();
    }
  });

  it('follows a redirect within the host, keeps its cookies, and follows no circle', async () => {
    answer = redirect('/end');
    const there = (await ask('/begin')) as UpstreamAnswer;
    expect([there.body.toString(), there.setCookies]).toEqual(['there', ['a=1']]);
    answer = redirect('/begin');
    expect(await ask('/begin')).toMatchObject({ ok: false, message: expect.stringContaining('redirects more than') });
    expect(seen.length).toBeLessThan(8);
  });

  it('reads packed answers, and none that is too large, packed or not', async () => {
    for (const [encoding, packed] of [
      ['gzip', gzipSync('hello')],
      ['br', brotliCompressSync('hello')],
    ] as const) {
      answer = (_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(packed);
      expect(((await ask('/')) as UpstreamAnswer).body.toString()).toBe('hello');
    }
    answer = (_request, response) => response.end(Buffer.alloc(20_000));
    expect(await ask('/')).toMatchObject({ ok: false, message: expect.stringContaining('more than 10000 bytes') });
    answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(5_000_000)));
    expect(await ask('/')).toMatchObject({ ok: false, message: expect.stringContaining('more than 10000 bytes') });
    answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'zstd' }).end('x');
    expect(await ask('/')).toMatchObject({ ok: false, message: expect.stringContaining('encoding') });
  });

  it('names no query and no cookie in what it says of a failure', async () => {
    answer = (request) => void request.socket.destroy();
    const failed = await ask('/webcast/im/fetch/?X-Bogus=secret', { cookie: 'sessionid=secret' });
    expect(failed).toMatchObject({ ok: false, reason: 'connect' });
    expect(JSON.stringify(failed)).not.toContain('secret');
  });

  it('knows the hosts of TikTok, and nobody who looks like it', () => {
    for (const good of ['https://www.tiktok.com/', 'https://webcast.us.tiktokv.com/x', 'https://tiktok.com/'])
      expect(isTikTok(new URL(good))).toBe(true);
    for (const bad of ['https://nottiktok.com/', 'https://tiktok.com.evil.org/', 'https://www.tiktok.com:444/'])
      expect(isTikTok(new URL(bad))).toBe(false);
  });
});
