import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AddressPolicy, SsrfGuard, NameResolver } from '@tributary/outbound';
import { FakeDns, INSIDE_SPELLINGS, INSIDE_V4, INSIDE_V6 } from '@tributary/testing';
import { get } from '../rooms/http-get.js';
import { proxyDispatcher, readProxy } from './proxy.js';
import { never } from '../testing/push-server.js';

/** A proxy on every address of this machine, and a page behind it. */
let proxy: Server;
let page: Server;
let port: number;
let pageUrl: URL;
let dials = 0;
let dns: FakeDns;
let names: NameResolver;

const listening = (server: Server, host: string) => new Promise<void>((resolve) => server.listen(0, host, resolve));
const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** What a poll through this proxy answers, and why in the operator's log. */
async function through(url: string, guard: SsrfGuard) {
  const read = readProxy(url);
  if (!read.ok) return { answer: 'no proxy', details: [] };
  const details: string[] = [];
  const dispatcher = proxyDispatcher({ url: read.url, guard, onFailure: (detail) => details.push(detail) });
  const answer = await get(pageUrl, { headers: {}, timeoutMs: 5_000, bodyBytesMax: 100, dispatcher }, never);
  await dispatcher.destroy();
  return { answer: answer.ok ? answer.body : answer.message, details };
}

beforeAll(async () => {
  proxy = createServer((_, response) => void response.writeHead(405).end());
  proxy.on('connection', () => (dials += 1));
  proxy.on('connect', (request: IncomingMessage, client: Socket) => {
    const target = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) socket.on('error', () => undefined);
  });
  page = createServer((_, response) => void response.writeHead(200, { connection: 'close' }).end('page'));
  await Promise.all([listening(proxy, '::'), listening(page, '127.0.0.1')]);
  port = portOf(proxy);
  pageUrl = new URL(`http://127.0.0.1:${portOf(page)}/`);
  dns = new FakeDns();
  names = new NameResolver({ servers: [await dns.start()], hostsFile: '/nonexistent', budgetMs: 300, cacheMs: 0 });
});
beforeEach(() => {
  dials = 0;
});
afterAll(async () => {
  names.close();
  dns.stop();
  for (const server of [proxy, page]) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const CLOSED = 'the proxy cannot be reached';

describe('the proxy of a creator', () => {
  it('is never dialled at an address inside, in any spelling, by any name', async () => {
    const guard = new SsrfGuard(new AddressPolicy(), names);
    for (const [i, address] of [...INSIDE_V4, ...INSIDE_V6].entries()) dns.records.set(`inside-${i}.test`, () => [address]);
    for (const [i, address] of INSIDE_V4.entries()) dns.records.set(`mixed-${i}.test`, () => ['93.184.216.34', address]);
    const hosts = [
      ...[...INSIDE_V4, ...INSIDE_SPELLINGS],
      ...INSIDE_V6.map((address) => `[${address}]`),
      ...[...INSIDE_V4, ...INSIDE_V6].map((_, i) => `inside-${i}.test`),
      ...INSIDE_V4.map((_, i) => `mixed-${i}.test`),
    ];
    const results = await Promise.all(hosts.map(async (host) => ({ host, ...(await through(`http://${host}:${port}`, guard)) })));
    const others = results.filter(({ answer }) => answer !== CLOSED && answer !== 'no proxy');
    expect(others).toEqual([]);
    expect(dials).toBe(0);
  });

  it('is judged at the connection: a name that turned inside after it was taken is not dialled', async () => {
    const guard = new SsrfGuard(new AddressPolicy(), names);
    dns.records.set('rebind.test', (asked) => (asked === 0 ? ['93.184.216.34'] : ['127.0.0.1']));
    expect((await guard.check({ hostname: 'rebind.test', port })).kind).toBe('open');
    expect(await through(`http://rebind.test:${port}`, guard)).toEqual({ answer: CLOSED, details: ['its address is closed'] });
    expect(dials).toBe(0);
  });

  it('is dialled at the address that was judged: the name is not asked again between verdict and connection', async () => {
    const guard = new SsrfGuard(new AddressPolicy({ allowCidrs: ['127.0.0.0/8'] }), names);
    // The second answer would lead nowhere: only the first can bring the page.
    dns.records.set('once.test', (asked) => (asked === 0 ? ['127.0.0.1'] : ['192.0.2.1']));
    expect(await through(`http://once.test:${port}`, guard)).toEqual({ answer: 'page', details: [] });
  });

  it('may be where the operator opens a network, its own ports aside', async () => {
    const opened = (ownPorts: number[]) => new SsrfGuard(new AddressPolicy({ allowCidrs: ['127.0.0.0/8', '::1/128'], ownPorts }), names);
    expect((await through(`http://127.0.0.1:${port}`, opened([]))).answer).toBe('page');
    expect((await through(`http://[::1]:${port}`, opened([]))).answer).toBe('page');
    const before = dials;
    expect((await through(`http://127.0.0.1:${port}`, opened([port]))).answer).toBe(CLOSED);
    expect(dials).toBe(before);
  });

  it('is let go when the connection ended elsewhere than at what was judged', async () => {
    const lying = { check: () => Promise.resolve({ kind: 'open' as const, addresses: ['127.0.0.1'] }), allows: () => false };
    const { answer, details } = await through(`http://lying.test:${port}`, lying as unknown as SsrfGuard);
    expect({ answer, details }).toEqual({ answer: CLOSED, details: ['the connection ended at an address that is closed'] });
    expect(dials).toBe(1);
  });
});
