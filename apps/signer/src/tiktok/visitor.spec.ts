import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { memoryCache } from '../testing/memory-cache.js';
import { Hosts } from './hosts.js';
import { Upstream } from './upstream.js';
import { Visitors } from './visitor.js';

const signal = new AbortController().signal;
const AGENT = 'Mozilla/5.0 (a test)';
const shared = { userAgent: AGENT, cookies: '' };

describe('Visitors', () => {
  let visits = 0;
  const server = createServer((_request, response) => {
    visits += 1;
    response.setHeader('set-cookie', `ttwid=visitor-${visits}; Path=/`).end('a page');
  });
  let upstream: Upstream;
  let url: string;
  const make = () => new Visitors({ name: 'anonymous', upstream, webUrl: url, cache: memoryCache(), keepMs: 60_000 });
  const later = (ms: number) => {
    const now = Date.now;
    const at = now() + ms;
    jest.spyOn(Date, 'now').mockImplementation(() => at);
  };

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
  afterEach(() => {
    jest.restoreAllMocks();
    visits = 0;
  });

  it('opens many rooms with one visitor, and another for who wants a fresh one', async () => {
    const visitors = make();
    const values = [await visitors.cookies(shared, signal), await visitors.cookies(shared, signal)];
    const fresh = await visitors.cookies({ ...shared, fresh: true }, signal);
    expect([...values, fresh].map((found) => found.ok && found.value)).toEqual(['ttwid=visitor-1', 'ttwid=visitor-1', 'ttwid=visitor-2']);
    expect(await visitors.cookies(shared, signal)).toEqual(fresh);
  });

  it('neither keeps nor gives to others what a client with cookies of its own was given', async () => {
    const visitors = make();
    expect(await visitors.cookies({ userAgent: AGENT, cookies: 'sessionid=mine' }, signal)).toEqual({
      ok: true,
      value: 'ttwid=visitor-1; sessionid=mine',
    });
    expect(await visitors.cookies(shared, signal)).toEqual({ ok: true, value: 'ttwid=visitor-2' });
    expect(await visitors.judge({ userAgent: AGENT, cookies: 'sessionid=mine' }, 'empty-body')).toBe(false);
    expect(await visitors.cookies(shared, signal)).toEqual({ ok: true, value: 'ttwid=visitor-2' });
  });

  it('replaces an old visitor that TikTok does not trust, once for all requests that met it', async () => {
    const visitors = make();
    await visitors.cookies(shared, signal);
    later(30_000);
    expect(await visitors.judge(shared, 'empty-body')).toBe(true);
    expect(await visitors.cookies(shared, signal)).toEqual({ ok: true, value: 'ttwid=visitor-2' });
    // A request that began with the old one, and fails now: its second try has the new one.
    expect(await visitors.judge(shared, 'empty-body')).toBe(true);
  });

  it('tries no second time with a visitor that was new and is not trusted, but does not keep it either', async () => {
    const visitors = make();
    await visitors.cookies(shared, signal);
    expect(await visitors.judge(shared, 'empty-body')).toBe(false);
    expect(await visitors.cookies(shared, signal)).toEqual({ ok: true, value: 'ttwid=visitor-2' });
  });

  it('keeps its visitor when a bundle failed for another reason', async () => {
    const visitors = make();
    await visitors.cookies(shared, signal);
    later(30_000);
    expect(await visitors.judge(shared, 'timeout')).toBe(false);
    expect(await visitors.cookies(shared, signal)).toEqual({ ok: true, value: 'ttwid=visitor-1' });
  });
});
