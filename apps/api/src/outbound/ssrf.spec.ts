import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AddressPolicy, SsrfGuard, NameResolver } from '@tributary/outbound';
import { FakeDns, INSIDE_SPELLINGS, INSIDE_V4, INSIDE_V6 } from '@tributary/testing';
import { GuardedHttp } from './guarded-http.js';
import { readTarget } from './target.js';
import { GOOD, NOT_WEBHOOKS } from './testing.js';

let dns: FakeDns;
let canary: Server;
let port: number;
let canaryHits = 0;
let sockets = 0;
const countSocket = () => void (sockets += 1);
let names: NameResolver;
let http: GuardedHttp;
let guard: SsrfGuard;

const attempt = async (text: string, through = http) => {
  const target = readTarget(text);
  if (typeof target === 'string') return 'refused';
  return (await through.send({ target, method: 'POST', headers: [], body: Buffer.from('{}'), timeoutMs: 2_000 })).category ?? 'delivered';
};

beforeAll(async () => {
  subscribe('net.client.socket', countSocket);
  dns = new FakeDns();
  const server = await dns.start();
  canary = createServer((_, response) => {
    canaryHits += 1;
    response.end('reached');
  });
  await new Promise<void>((resolve) => canary.listen(0, '::', resolve));
  port = (canary.address() as AddressInfo).port;
  names = new NameResolver({ servers: [server], hostsFile: '/nonexistent', budgetMs: 300, cacheMs: 0 });
  guard = new SsrfGuard(new AddressPolicy(), names);
  http = new GuardedHttp({ guard });
  for (const name of ['example.com', 'hooks.many.test', 'xn--bcher-kva.test', 'a-b.c-d.test', 'a.test'])
    dns.records.set(name, () => ['93.184.216.34']);
  dns.records.set('v6.test', () => ['2606:4700:4700::1111']);
  dns.records.set('both.test', () => ['2606:4700:4700::1111', '1.1.1.1', '1.0.0.1']);
});
beforeEach(() => {
  canaryHits = 0;
  sockets = 0;
});
afterAll(async () => {
  unsubscribe('net.client.socket', countSocket);
  await http.close();
  await new Promise((resolve) => canary.close(resolve));
  dns.stop();
});

describe('the guard of webhook URLs', () => {
  it('makes no connection for any of 200 hostile URLs and more', async () => {
    for (const [i, address] of [...INSIDE_V4, ...INSIDE_V6].entries()) dns.records.set(`inside-${i}.test`, () => [address]);
    for (const [i, address] of INSIDE_V4.entries()) dns.records.set(`mixed-${i}.test`, () => ['93.184.216.34', address]);
    const at = (host: string) => `http://${host}:${port}/hooks`;
    const hostile = [
      ...INSIDE_V4.map(at),
      ...INSIDE_V6.map((address) => at(`[${address}]`)),
      ...INSIDE_SPELLINGS.map(at),
      ...[...INSIDE_V4, ...INSIDE_V6].map((_, i) => at(`inside-${i}.test`)),
      ...INSIDE_V4.map((_, i) => at(`mixed-${i}.test`)),
      ...NOT_WEBHOOKS,
    ];
    expect(hostile.length).toBeGreaterThan(200);
    const verdicts = await Promise.all(hostile.map(async (url) => [url, await attempt(url)] as const));
    const let_through = verdicts.filter(([, verdict]) => verdict !== 'refused' && verdict !== 'blocked_address' && verdict !== 'dns');
    expect(let_through).toEqual([]);
    expect({ canaryHits, sockets }).toEqual({ canaryHits: 0, sockets: 0 });
  });

  it('refuses none of a list of good URLs', async () => {
    const verdicts = await Promise.all(
      GOOD.map(async (url) => {
        const target = readTarget(url);
        return [url, typeof target === 'string' ? target : (await guard.check(target)).kind];
      }),
    );
    expect(verdicts.filter(([, verdict]) => verdict !== 'open')).toEqual([]);
  });

  it('connects nowhere when a name turns to an inside address between check and connect', async () => {
    dns.records.set('rebind.test', (asked) => (asked === 0 ? ['93.184.216.34'] : ['127.0.0.1']));
    expect(await attempt(`http://rebind.test:${port}/`)).toBe('blocked_address');
    dns.records.set('rebind6.test', (asked) => (asked === 0 ? ['2606:4700::1'] : ['::1']));
    expect(await attempt(`http://rebind6.test:${port}/`)).toBe('blocked_address');
    expect({ canaryHits, sockets }).toEqual({ canaryHits: 0, sockets: 0 });
  });

  it('gives a name that never answers its budget and no more', async () => {
    const started = performance.now();
    expect(await attempt('http://never-answers.test/')).toBe('dns');
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  it('opens what the operator allows, its own ports and metadata aside', async () => {
    const policy = new AddressPolicy({ allowCidrs: ['127.0.0.0/8', '::1/128', '169.254.0.0/16', '0.0.0.0/0'], ownPorts: [3000] });
    expect([policy.judge('127.0.0.1', 8080), policy.judge('::1', 8080), policy.judge('10.0.0.1', 80)]).toEqual([
      'allowed',
      'allowed',
      'allowed',
    ]);
    expect([policy.judge('127.0.0.1', 3000), policy.judge('64:ff9b::7f00:1', 3000), policy.judge('::ffff:127.0.0.1', 80)]).toEqual([
      'denied',
      'denied',
      'denied',
    ]);
    expect(
      ['169.254.169.254', '100.100.100.200', 'fd00:ec2::254', '64:ff9b::a9fe:a9fe'].map((address) => policy.judge(address, 80)),
    ).toEqual(Array(4).fill('denied'));
    expect(() => new AddressPolicy({ allowCidrs: ['10.0.0.0/33'] })).toThrow('10.0.0.0/33');
  });

  it("closes the system's own ports on the public addresses of this machine too, and no other port there", () => {
    const policy = new AddressPolicy({ ownPorts: [6379], ownAddresses: () => ['8.8.8.8', '2606:4700::1'] });
    expect([policy.judge('8.8.8.8', 6379), policy.judge('2606:4700::1', 6379)]).toEqual(['denied', 'denied']);
    expect([policy.judge('8.8.8.8', 443), policy.judge('1.1.1.1', 6379)]).toEqual(['allowed', 'allowed']);
  });

  it('takes a redirect for an answer and follows it nowhere', async () => {
    const opened = new GuardedHttp({ guard: new SsrfGuard(new AddressPolicy({ allowCidrs: ['127.0.0.0/8'] }), names) });
    const redirecting = createServer((_, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end();
    });
    await new Promise<void>((resolve) => redirecting.listen(0, '127.0.0.1', resolve));
    try {
      expect(await attempt(`http://127.0.0.1:${(redirecting.address() as AddressInfo).port}/`, opened)).toBe('redirect');
      // One socket, to the redirecting server: it also shows that sockets are counted at all.
      expect({ canaryHits, sockets }).toEqual({ canaryHits: 0, sockets: 1 });
    } finally {
      await opened.close();
      await new Promise((resolve) => redirecting.close(resolve));
    }
  });
});
