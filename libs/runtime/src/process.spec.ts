import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHttpAdapter } from './process.js';

describe('createHttpAdapter', () => {
  const adapter = createHttpAdapter({ requestMsMax: 500 });
  let port: number;
  beforeAll(async () => {
    const http = adapter.getInstance();
    http.post('/', () => 'taken');
    http.get('/stream', (_, reply) => {
      reply.hijack();
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
      reply.raw.write('first');
      setTimeout(() => reply.raw.end('last'), 3_000);
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
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nslow');
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
  });

  it('lets an answer take as long as it likes', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/stream`);
    expect(await response.text()).toBe('firstlast');
  });
});
