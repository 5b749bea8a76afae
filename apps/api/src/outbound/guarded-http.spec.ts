import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AddressPolicy, SsrfGuard, NameResolver } from '@tributary/outbound';
import { startWebhookReceiver, type WebhookReceiver } from '@tributary/testing';
import { GuardedHttp } from './guarded-http.js';
import { readTarget, type Target } from './target.js';

let receiver: WebhookReceiver;
let http: GuardedHttp;
let raw: Server;

const send = (url: string, timeoutMs = 2_000, headers: Record<string, string> = {}) =>
  http.send({
    target: readTarget(url) as Target,
    method: 'POST',
    headers: Object.entries(headers).flat(),
    body: Buffer.from('{"a":1}'),
    timeoutMs,
  });

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  http = new GuardedHttp({
    guard: new SsrfGuard(new AddressPolicy({ allowCidrs: ['127.0.0.0/8', '::1/128'] }), new NameResolver()),
    connectMs: 1_000,
  });
  raw = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('this is not HTTP\r\n\r\n'));
  });
  await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await http.close();
  await receiver.close();
  await new Promise((resolve) => raw.close(resolve));
});

describe('a guarded request', () => {
  it('sends body and headers as they are, over connections that are kept', async () => {
    const before = receiver.connections;
    for (let i = 0; i < 5; i++) expect(await send(receiver.url('/ok?a=1'), 2_000, { 'x-a': 'b' })).toMatchObject({ status: 200 });
    expect(receiver.connections - before).toBeLessThanOrEqual(2);
    expect(receiver.of('/ok?a=1')[0]).toMatchObject({
      method: 'POST',
      body: '{"a":1}',
      headers: { 'x-a': 'b', host: `127.0.0.1:${receiver.port}` },
    });
  });

  it('reaches a name of the hosts file, with the name as Host', async () => {
    expect((await send(`http://localhost:${receiver.port}/name`)).category).toBeUndefined();
    expect(receiver.of('/name')[0]!.headers.host).toBe(`localhost:${receiver.port}`);
  });

  it('gives up at its deadline when the receiver accepts and says nothing', async () => {
    receiver.answer(() => ({ fault: 'hang' }));
    const outcome = await send(receiver.url('/hang'), 300);
    expect(outcome).toMatchObject({ category: 'timeout' });
    expect(outcome.latencyMs).toBeGreaterThanOrEqual(290);
    expect(outcome.latencyMs).toBeLessThan(1_500);
  });

  it('takes the status that came even if the body never ends', async () => {
    receiver.answer(() => ({ fault: 'half', status: 202, body: 'partly' }));
    expect(await send(receiver.url('/half'), 300)).toMatchObject({ status: 202, body: 'partly' });
    receiver.answer(() => ({ fault: 'half', status: 500, body: 'partly' }));
    expect(await send(receiver.url('/half'), 300)).toMatchObject({ status: 500, category: 'status' });
  });

  it('keeps the first 16 KiB of an answer and cuts off one without end', async () => {
    receiver.answer(() => ({ body: Buffer.alloc(10_000_000, 'a') }));
    const outcome = await send(receiver.url('/big'));
    expect(outcome.category).toBeUndefined();
    expect(outcome.body).toHaveLength(16_384);
  });

  it('says what kind of failure it was', async () => {
    receiver.answer(() => ({ fault: 'reset' }));
    expect(await send(receiver.url('/reset'))).toMatchObject({ category: 'reset' });
    expect(await send(`http://127.0.0.1:${(raw.address() as AddressInfo).port}/`)).toMatchObject({ category: 'response' });
    expect(await send('http://127.0.0.1:9/')).toMatchObject({ category: 'connect' });
    expect(await send(`https://127.0.0.1:${receiver.port}/`)).toMatchObject({ category: 'tls' });
    expect(await send('http://name.invalid/')).toMatchObject({ category: 'dns' });
    expect(await send('http://10.0.0.1/')).toMatchObject({ category: 'blocked_address' });
    receiver.answer(() => ({ headers: { 'x-big': 'x'.repeat(20_000) } }));
    expect(await send(receiver.url('/big-head'))).toMatchObject({ category: 'response' });
  });

  it('takes the final answer after any number of interim ones, however they are cut, and keeps the connection', async () => {
    const interim = [
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 102 Processing\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n',
    ];
    const body = 'HTTP/1.1 100 Continue\r\n\r\n is no answer ...';
    const final = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const answers = [
      [interim[0]!, final],
      [interim.join('') + final],
      [...interim.join('').repeat(5), final],
      [interim[0]! + final.slice(0, 20), final.slice(20)],
      [interim.join('').repeat(20).slice(0, 333), interim.join('').repeat(20).slice(333) + final],
      [final],
    ];
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections += 1;
      socket.setNoDelay(true).on('error', () => undefined);
      socket.on('data', (chunk) => {
        // Head and body of a request may come apart.
        if (!chunk.includes('{"a":1}')) return;
        const parts = answers.shift() ?? [];
        const next = () => {
          const part = parts.shift();
          if (part !== undefined) socket.write(part, () => setImmediate(next));
        };
        next();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    for (let left = answers.length; left > 0; left -= 1) {
      expect(await send(url)).toMatchObject({ status: 200, body });
    }
    expect(connections).toBeLessThanOrEqual(2);
    server.close();
  });

  it('does not wait for the end of interim answers that have none', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      const again = () => void (socket.writable && socket.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(10), () => setImmediate(again)));
      socket.once('data', again);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const outcome = await send(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    expect(outcome).toMatchObject({ category: 'response' });
    expect(outcome.latencyMs).toBeLessThan(1_500);
    server.close();
  });

  it('gives up a connection that is never answered', async () => {
    // 192.0.2.0/24 is documentation: nothing answers there, unless the machine says at once that there is no way.
    const lonely = new GuardedHttp({
      guard: new SsrfGuard(new AddressPolicy({ allowCidrs: ['192.0.2.0/24'] }), new NameResolver()),
      connectMs: 300,
    });
    const outcome = await lonely.send({ target: readTarget('http://192.0.2.1/') as Target, method: 'POST', headers: [], timeoutMs: 5_000 });
    expect(['timeout', 'connect']).toContain(outcome.category);
    expect(outcome.latencyMs).toBeLessThan(2_500);
    await lonely.close();
  });
});
