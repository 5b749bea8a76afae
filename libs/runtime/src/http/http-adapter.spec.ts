import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { createHttpAdapter } from './http-adapter.js';

describe('createHttpAdapter', () => {
  const adapter = createHttpAdapter({ requestMsMax: 500, silenceMsMax: 700 });
  let port: number;
  let endlessEnded = 0;
  beforeAll(async () => {
    const http = adapter.getInstance();
    http.post('/', () => 'taken');
    http.get('/stream', (_, reply) => {
      reply.hijack();
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
      reply.raw.write('first');
      setTimeout(() => reply.raw.end('last'), 3_000);
    });
    http.get('/slow', async () => {
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      return 'late';
    });
    http.get('/endless', (_, reply) => {
      const endless = new Readable({ read: () => void endless.push(Buffer.alloc(65_536)) });
      endless.once('close', () => (endlessEnded += 1));
      return reply.send(endless);
    });
    await http.listen({ port: 0, host: '127.0.0.1' });
    port = (http.server.address() as { port: number }).port;
  });
  afterAll(() => adapter.close());

  it('bounds the time that a request may take to arrive unless told otherwise', () => {
    const { requestTimeout, headersTimeout } = createHttpAdapter({}).getHttpServer();
    expect({ requestTimeout, headersTimeout }).toEqual({ requestTimeout: 30_000, headersTimeout: 30_000 });
  });

  it('cuts off a client that does not finish its body', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\nslow');
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
  });

  it('ends the answer of a client that takes nothing of it', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await waitFor(() => endlessEnded === 1, { what: 'the end of the answer' });
    socket.destroy();
  });

  it('lets a client read slowly, for as long as it takes something', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n');
    let closed = false;
    socket.once('close', () => (closed = true));
    for (let i = 0; i < 30; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (let taken = 0; taken < 1_000_000;) taken += (socket.read() as Buffer | null)?.length ?? Infinity;
    }
    expect(closed).toBe(false);
    socket.destroy();
  });

  it('does not take its own slowness for a silent client', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/slow`);
    expect(await response.text()).toBe('late');
  });

  it('ends a connection on which nothing is asked', async () => {
    const socket = connect(port, '127.0.0.1');
    for await (const chunk of socket) expect(String(chunk)).toMatch(/ 408 /);
    expect(socket.destroyed).toBe(true);
  });

  it('lets an answer take as long as it likes', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/stream`);
    expect(await response.text()).toBe('firstlast');
  });

  it('says on every answer, errors of its own too, that it is no page, no frame and no other type', async () => {
    for (const path of ['/', '/nowhere', '/%', '/slow', '/' + 'x'.repeat(2_000)]) {
      const { headers } = await fetch(`http://127.0.0.1:${port}${path}`);
      expect({ path, csp: headers.get('content-security-policy'), type: headers.get('x-content-type-options') }).toEqual({
        path,
        csp: "default-src 'none'; frame-ancestors 'none'",
        type: 'nosniff',
      });
      expect([headers.get('x-frame-options'), headers.get('referrer-policy')]).toEqual(['DENY', 'no-referrer']);
    }
  });

  it.each([
    ['what is no HTTP', 'hello\r\n\r\n', 400, 'malformed-request'],
    ['a body with a length that is none', 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n', 400, 'malformed-request'],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400, 'malformed-request'],
    ['a header with a NUL', 'GET / HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n', 400, 'malformed-request'],
    ['no Host', 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'malformed-request'],
    ['headers of 40 KB', `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`, 431, 'headers-too-large'],
    ['a request without an end', 'GET / HTTP/1.1\r\nhost: localhost\r\n', 408, 'request-timeout'],
    [
      'an expectation that nobody knows, like any other request',
      'GET /nowhere HTTP/1.1\r\nhost: localhost\r\nexpect: luck\r\nconnection: close\r\n\r\n',
      404,
      undefined,
    ],
  ])('answers %s as a problem with its code and the id of the request', async (_, sent, status, code) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(sent);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    if (code === undefined) return;
    expect(head).toContain('content-type: application/problem+json');
    expect(head).toContain("content-security-policy: default-src 'none'");
    const problem = JSON.parse(body) as { requestId: string };
    expect(problem).toMatchObject({ status, code, type: `/problems/${code}` });
    expect(head).toContain(`x-request-id: ${problem.requestId}`);
  });

  it('answers nothing into an answer that is under way', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (chunk) => (answer += String(chunk)));
    socket.write('GET /stream HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await waitFor(() => answer.includes('first'), { what: 'the answer to begin' });
    socket.write('no request\r\n\r\n');
    await once(socket, 'close');
    expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  it('answers no name that a stranger could have pointed at it, whatever the path or method', async () => {
    const ask = async (text: string) => {
      const socket = connect(port, '127.0.0.1');
      socket.write(text);
      let answer = '';
      for await (const chunk of socket) answer += String(chunk);
      return answer;
    };
    for (const line of ['GET /stream', 'GET /nowhere', 'OPTIONS /', 'HEAD /', 'POST /']) {
      const answer = await ask(`${line} HTTP/1.1\r\nhost: evil.example:${port}\r\nconnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 421 /);
      if (!line.startsWith('HEAD')) expect(answer).toContain('"code":"host-not-allowed"');
    }
  });
});

describe('an upgrade to another protocol', () => {
  it('is refused for a name that is not ours before whoever serves it, and an offer without a server is a plain request', async () => {
    const adapter = createHttpAdapter({});
    const http = adapter.getInstance();
    http.get('/', () => 'plain');
    await http.listen({ port: 0, host: '127.0.0.1' });
    const { port } = http.server.address() as { port: number };
    const ask = async (host: string) => {
      const socket = connect(port, '127.0.0.1');
      socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`);
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return chunk.toString().split('\r\n', 1)[0];
    };
    try {
      expect(await ask('localhost')).toBe('HTTP/1.1 200 OK');
      let served = 0;
      http.server.on('upgrade', (_request, socket) => {
        if (!socket.writable) return;
        served += 1;
        socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      });
      expect([await ask('evil.example'), await ask('localhost')]).toEqual([
        'HTTP/1.1 421 Misdirected Request',
        'HTTP/1.1 101 Switching Protocols',
      ]);
      expect(served).toBe(1);
    } finally {
      await adapter.close();
    }
  });
});

describe('a server behind reverse proxies that it trusts', () => {
  const adapter = createHttpAdapter({ trustedProxies: ['127.0.0.0/8', '2001:db8::/32'] });
  let port: number;
  beforeAll(async () => {
    const http = adapter.getInstance();
    http.get('/ip', ({ ip }) => ip);
    await http.listen({ port: 0, host: '127.0.0.1' });
    port = (http.server.address() as { port: number }).port;
  });
  afterAll(() => adapter.close());
  const ask = async (headers: string) => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET /ip HTTP/1.1\r\n${headers}\r\nconnection: close\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  };
  const addressOf = async (forwarded: string) => (await ask(`host: localhost\r\nx-forwarded-for: ${forwarded}`)).split('\r\n\r\n')[1];

  it('takes the last address that none of them has, whatever the client wrote before it', async () => {
    expect(await addressOf('203.0.113.7')).toBe('203.0.113.7');
    expect(await addressOf('127.0.0.1, 203.0.113.7')).toBe('203.0.113.7');
    expect(await addressOf('198.51.100.1, 203.0.113.7, 127.0.0.2, 2001:db8::1')).toBe('203.0.113.7');
  });

  it('takes no other name from them: the Host header alone counts', async () => {
    for (const header of ['x-forwarded-host: localhost', 'forwarded: host=localhost', 'x-forwarded-for: 127.0.0.1'])
      expect(await ask(`host: evil.example\r\n${header}`)).toMatch(/^HTTP\/1.1 421 /);
  });
});
