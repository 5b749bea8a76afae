import { describe, expect, it } from '@jest/globals';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { planSocket, type SocketBundle } from './socket-plan.js';

const CHROME = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';

const bundle = (overrides: Partial<SocketBundle> = {}, result: Partial<ProtoMessageFetchResult> = {}): SocketBundle => ({
  fetchResult: ProtoMessageFetchResult.encode({
    ...ProtoMessageFetchResult.decode(new Uint8Array(0)),
    cursor: 'c1',
    internalExt: 'ext',
    pushServer: 'wss://webcast-ws.tiktok.com/webcast/im/',
    ...result,
  }).finish(),
  cookies: 'ttwid=abc',
  roomId: '7540589352666090247',
  userAgent: CHROME,
  provider: 'test',
  ...overrides,
});
const options = { heartbeatMs: 10_000, messagesMax: 10 };
const to = (pushServer: string, allowedHosts?: string[]) => planSocket(bundle({}, { pushServer }), { ...options, allowedHosts });

describe('a connect bundle', () => {
  it('gives the socket one identity: user agent, browser parameters and cookies agree', () => {
    const planned = planSocket(bundle({}, { routeParams: { imprp: 'r', empty: '' } }), options);
    if (!planned.ok) throw new Error(planned.message);
    const { wsParams, wsHeaders, baseUrl } = planned.plan.config;
    expect(baseUrl).toBe('wss://webcast-ws.tiktok.com/webcast/im/');
    expect(wsHeaders).toEqual({ 'User-Agent': CHROME, Cookie: 'ttwid=abc' });
    expect(wsParams).toMatchObject({
      'User-Agent': CHROME,
      browser_name: 'Mozilla',
      browser_version: CHROME.slice('Mozilla/'.length),
      browser_platform: 'MacIntel',
      room_id: '7540589352666090247',
      cursor: 'c1',
      internal_ext: 'ext',
      compress: 'gzip',
      imprp: 'r',
    });
    expect(wsParams).not.toHaveProperty('empty');
  });

  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36', 'Linux x86_64'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36', 'Win32'],
    ['Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36', 'Linux armv81'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1', 'iPhone'],
  ])('claims the platform that %s runs on', (userAgent, platform) => {
    const planned = planSocket(bundle({ userAgent }), options);
    expect(planned).toMatchObject({ ok: true, plan: { config: { wsParams: { browser_platform: platform } } } });
  });

  it.each([
    'wss://evil.example/',
    'wss://tiktok.com.evil.example/',
    'wss://eviltiktok.com/',
    'wss://169.254.169.254/',
    'wss://user:pass@webcast-ws.tiktok.com/',
    'ws://webcast-ws.tiktok.com/',
    'wss://webcast-ws.tiktok.com:6379/',
    'https://webcast-ws.tiktok.com/',
    'ws://127.0.0.1:3003/',
  ])('is refused when it points to %s', (pushServer) => {
    expect(to(pushServer)).toMatchObject({ ok: false, reason: 'forbidden-host' });
  });

  it('may point by ws:// to a host that was allowed, on that port only', () => {
    expect(to('ws://127.0.0.1:3003/ws', ['127.0.0.1:3003']).ok).toBe(true);
    expect(to('ws://127.0.0.1:6379/', ['127.0.0.1:3003'])).toMatchObject({ ok: false, reason: 'forbidden-host' });
  });

  it('keeps no query of the push server, so that it cannot override ours', () => {
    expect(to('wss://webcast-ws.tiktok.com/im/?room_id=1#x')).toMatchObject({
      ok: true,
      plan: { config: { baseUrl: 'wss://webcast-ws.tiktok.com/im/' } },
    });
  });

  it.each<[string, SocketBundle, string]>([
    ['no cursor', bundle({}, { cursor: '' }), 'no cursor'],
    ['an empty fetch result', bundle({ fetchResult: new Uint8Array(0) }), 'no cursor'],
    ['garbage', bundle({ fetchResult: Buffer.from('<html>') }), 'cannot be read'],
    ['no push server', bundle({}, { pushServer: '' }), 'no push server'],
    ['a push server that is no address', bundle({}, { pushServer: 'nope' }), 'not an address'],
    ['no room id', bundle({ roomId: '0' }), 'room id'],
    ['no user agent', bundle({ userAgent: '' }), 'user agent'],
    ['a header break in its cookies', bundle({ cookies: 'a=b\r\nx-evil: 1' }), 'cookies'],
    ['a header break in its user agent', bundle({ userAgent: 'a\nb' }), 'user agent'],
    ['an endless address', bundle({}, { internalExt: 'x'.repeat(20_000) }), 'longer than'],
  ])('is refused with %s', (_name, value, message) => {
    expect(planSocket(value, options)).toEqual({ ok: false, reason: 'bad-bundle', message: expect.stringContaining(message) });
  });
});
