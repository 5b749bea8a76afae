import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setMaxListeners } from 'node:events';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { ScriptedUpstream, type UpstreamFault } from '../testing/scripted-upstream.js';
import { connectBy, type ConnectRequest, type FailureReason, type Outcome, type SignProvider } from './provider.js';

export interface ProviderUnderTest {
  /** Makes the provider on top of a scripted upstream. */
  make: (upstream: ScriptedUpstream) => SignProvider;
  /** The request that decides about a connect, which the faults strike. */
  faultPath: RegExp;
  /** What each fault of that request must be reported as. Faults that cannot happen to this provider are left out. */
  faults: Partial<Record<UpstreamFault, FailureReason>>;
  /** Called after the last test. */
  end?: () => Promise<void>;
}

const USER_AGENT = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';
const REQUEST: ConnectRequest = { roomId: '7540589352666090247', cursor: '', userAgent: USER_AGENT, cookies: '' };
const ABORT_MS_MAX = 500;

/** The conformance suite of all providers. */
export function providerConformance(name: string, { make, faultPath, faults, end }: ProviderUnderTest): void {
  describe(`provider ${name}`, () => {
    let upstream: ScriptedUpstream;
    let provider: SignProvider;
    const never = new AbortController().signal;
    setMaxListeners(100, never);
    const connect = (request: Partial<ConnectRequest> = {}, signal = never) => connectBy(provider, { ...REQUEST, ...request }, signal);
    const reasonOf = (outcome: Outcome<unknown>) => (outcome.ok ? 'ok' : outcome.reason);

    beforeEach(async () => {
      upstream = await new ScriptedUpstream().start();
      upstream.faultPath = faultPath;
      provider = make(upstream);
    });
    afterEach(async () => {
      await provider.close?.();
      await upstream.stop();
    });
    afterAll(() => end?.());

    it('gives a bundle that a client can connect with: cursor, push server, ttwid first, its own name', async () => {
      const outcome = await connect();
      if (!outcome.ok) throw new Error(outcome.message);
      const { fetchResult, cookies, roomId, provider: by } = outcome.value;
      const { cursor, pushServer } = ProtoMessageFetchResult.decode(fetchResult);
      expect(cursor).not.toBe('');
      expect(pushServer).toMatch(/^wss?:\/\/[^?]+$/);
      expect(cookies).toMatch(/^ttwid=scripted(?:;|$)/);
      expect({ roomId, by }).toEqual({ roomId: REQUEST.roomId, by: name });
    });

    it('makes the bundle for the user agent of the client, and shows no other to the other side', async () => {
      const outcome = await connect();
      expect(outcome.ok && outcome.value.userAgent).toBe(USER_AGENT);
      const shown = upstream.seen.map(({ query, body, headers }) =>
        /userAgent/.test(body) ? (JSON.parse(body) as { userAgent: string }).userAgent : (query.get('user_agent') ?? headers['user-agent']),
      );
      expect(new Set(shown)).toEqual(new Set([USER_AGENT]));
    });

    it('keeps simultaneous rooms apart', async () => {
      const rooms = Array.from({ length: 8 }, (_, index) => `75405893526660902${10 + index}`);
      const outcomes = await Promise.all(rooms.map((roomId) => connect({ roomId })));
      const got = outcomes.map((outcome) => {
        if (!outcome.ok) return outcome.reason;
        const { routeParams } = ProtoMessageFetchResult.decode(outcome.value.fetchResult);
        return [outcome.value.roomId, routeParams.room_id];
      });
      expect(got).toEqual(rooms.map((roomId) => [roomId, roomId]));
    });

    it('uses the session of one client for that request alone', async () => {
      await connect({ cookies: 'sessionid=secret-session; ttwid=theirs' });
      upstream.seen.length = 0;
      const outcome = await connect();
      expect(JSON.stringify([outcome, upstream.seen])).not.toMatch(/secret-session|theirs/);
    });

    it.each(Object.entries(faults))('reports %s as %s, without query, cookie or key', async (fault, reason) => {
      upstream.fault = fault as UpstreamFault;
      const outcome = await connect({ cookies: fault === 'missing-cookie' ? '' : 'tt-target-idc=secret' });
      expect(reasonOf(outcome)).toBe(reason);
      expect(outcome.ok ? '' : outcome.message).not.toMatch(/secret|[?&]\w+=/);
      if (fault === 'http-429') expect(outcome).toMatchObject({ retryAfterMs: 7_000 });
    });

    it('gives up as soon as the signal aborts', async () => {
      // What a warm provider does not do again must not be what keeps it.
      await connect();
      upstream.fault = 'hang';
      const controller = new AbortController();
      const startedAt = performance.now();
      const pending = connect({}, controller.signal);
      setTimeout(() => controller.abort(), 20);
      expect(reasonOf(await pending)).toBe('timeout');
      expect(performance.now() - startedAt).toBeLessThan(ABORT_MS_MAX);
    });

    it('reports a server that is not there', async () => {
      await upstream.stop();
      expect(reasonOf(await connect())).toBe('connect');
    });

    it('signs a URL with tokens, its path and parameters unchanged, or says that it does not sign', async () => {
      if (!provider.sign) return;
      const url = new URL('https://webcast.tiktok.com/webcast/gift/list/?room_id=1&aid=1988');
      const outcome = await provider.sign({ url, method: 'GET', userAgent: USER_AGENT, cookies: '' }, never);
      if (!outcome.ok) throw new Error(outcome.message);
      const { signedUrl, tokens, userAgent } = outcome.value;
      expect(signedUrl.startsWith(url.href)).toBe(true);
      expect(Object.keys(tokens).length).toBeGreaterThan(0);
      expect(userAgent).toBe(USER_AGENT);
    });
  });
}
