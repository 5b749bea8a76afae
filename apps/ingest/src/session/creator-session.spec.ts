import { describe, expect, it } from '@jest/globals';
import { live, message, ROOM, SessionHarness, settle } from '../testing/fakes.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a creator that goes live', () => {
  it('is announced, connected, and received in order, under the fence of its lease', async () => {
    const harness = new SessionHarness();
    const session = harness.session({ fence: '1700000000000001' });
    session.start();
    await harness.clock.advance(10 * MINUTE);
    expect(harness.log.drafts).toEqual([]);
    expect(session.state).toBe('offline');

    harness.found = live();
    await harness.clock.advance(2 * MINUTE);
    harness.connection.receive(message('chat', '1'), message('chat', '2'));
    harness.connection.receive(message('chat', '3'));
    expect(harness.log.types()).toEqual(['monitor.live', 'monitor.connected', ...Array<string>(3).fill('tiktok.live.chat')]);
    expect(harness.log.drafts.map(({ id }) => id)).toEqual([
      'cr_1-1700000000000001-1',
      'cr_1-1700000000000001-2',
      `${ROOM}-1`,
      `${ROOM}-2`,
      `${ROOM}-3`,
    ]);
    expect(harness.log.drafts.every(({ fence }) => fence === '1700000000000001')).toBe(true);
    expect(harness.log.all('monitor.connected')).toEqual([{ roomId: ROOM, userId: '42', worker: 'w1', connection: 1, provider: 'fake' }]);
    expect(session.state).toBe('live');
    expect(session.takeStatus(harness.clock.now())).toMatchObject({
      roomId: ROOM,
      userId: '42',
      title: 'a title',
      counters: { messages: 3 },
    });
  });

  it('publishes monitor.connected before the messages that come with the bundle', async () => {
    const harness = new SessionHarness();
    harness.initial = () => [message()];
    await harness.liveSession();
    expect(harness.log.types()).toEqual(['monitor.live', 'monitor.connected', 'tiktok.live.chat']);
  });
});

describe('a connection whose frames cannot be read', () => {
  it('is replaced, with a gap from the last message before them, and its frames are counted', async () => {
    const harness = new SessionHarness();
    await harness.liveSession();
    harness.connection.receive(message());
    const before = harness.clock.now();
    await harness.clock.advance(20_000);
    harness.connection.stats.badFrames = 9;
    // One of the frames between them was read.
    harness.connection.receive(message());
    harness.connection.drop('unreadable', 1006, { unreadSince: before });
    await harness.clock.advance(30_000);
    expect(harness.log.all('monitor.disconnected')).toMatchObject([{ reason: 'unreadable' }]);
    expect(harness.log.all('monitor.gap')).toMatchObject([{ reason: 'disconnect', from: new Date(before).toISOString() }]);
    expect(harness.services.metrics.totals.unreadFrames).toBe(9);
  });

  it('is replaced more and more slowly while the next ones are no better', async () => {
    const harness = new SessionHarness();
    await harness.liveSession();
    let connections = 0;
    for (let minute = 0; minute < 10; minute += 1) {
      for (let second = 0; second < 60; second += 1) {
        if (harness.connection.isOpen) {
          connections += 1;
          await harness.clock.advance(500);
          harness.connection.drop('unreadable', 1006, { unreadSince: harness.clock.now() });
        }
        await harness.clock.advance(1_000);
      }
    }
    expect(connections).toBeGreaterThan(3);
    expect(connections).toBeLessThan(30);
  });
});

describe('a connection that breaks', () => {
  it('leaves a gap from its last message to the reconnect, with an estimate', async () => {
    const harness = new SessionHarness();
    await harness.liveSession();
    for (let second = 0; second < 30; second += 1) {
      harness.connection.receive(message(), message());
      await harness.clock.advance(1_000);
    }
    const lastAt = harness.clock.now() - 1_000;
    harness.bundle = () => ({ ok: false, reason: 'unavailable', message: 'the signer is down' });
    harness.connection.drop();
    await harness.clock.advance(20_000);
    harness.bundle = new SessionHarness().bundle;
    await harness.clock.advance(30_000);
    const [gap] = harness.log.all('monitor.gap');
    const connectedAt = harness.log.drafts.find(
      ({ type, data }) => type === 'monitor.connected' && 'connection' in data && data.connection === 2,
    )?.time;
    expect(gap).toMatchObject({
      roomId: ROOM,
      reason: 'disconnect',
      from: new Date(lastAt).toISOString(),
      to: new Date(connectedAt!).toISOString(),
    });
    const seconds = (Date.parse(gap!.to) - Date.parse(gap!.from)) / 1000;
    expect(gap!.missedEstimate).toBeGreaterThan(seconds * 1.5);
    expect(gap!.missedEstimate).toBeLessThan(seconds * 2.5);
    expect(harness.log.types().filter((type) => type.startsWith('monitor.'))).toEqual([
      'monitor.live',
      'monitor.connected',
      'monitor.disconnected',
      'monitor.error',
      'monitor.connected',
      'monitor.gap',
    ]);
  });

  it('does not count again what the next one repeats', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.connection.receive(message('chat', '1'), message('chat', '2'));
    harness.initial = () => [message('chat', '2'), message('chat', '3')];
    harness.connection.drop();
    await harness.clock.advance(5_000, (now) => session.tick(now));
    expect(harness.log.drafts.filter(({ type }) => type === 'tiktok.live.chat').map(({ id }) => id)).toEqual(
      [1, 2, 3].map((n) => `${ROOM}-${n}`),
    );
    expect(session.takeStatus(harness.clock.now())?.counters).toMatchObject({ duplicates: 1, reconnects: 1, gaps: 1 });
  });

  it('again and again costs a bounded number of sign calls', async () => {
    const harness = new SessionHarness();
    await harness.liveSession();
    const dropping = (): void => harness.connections.forEach((connection) => connection.drop());
    await harness.clock.advance(HOUR, dropping);
    expect(harness.signCalls).toBeLessThan(160);
  });

  it('while the signer is down is tried at a bounded rate, and published once', async () => {
    const harness = new SessionHarness();
    await harness.liveSession();
    harness.bundle = () => ({ ok: false, reason: 'unavailable', message: 'the signer is down' });
    harness.connection.drop();
    await harness.clock.advance(HOUR);
    expect(harness.signCalls).toBeLessThan(160);
    expect(harness.log.all('monitor.error')).toEqual([
      { reason: 'sign-unavailable', message: 'the signer is down', retryAt: expect.any(String) },
    ]);
  });
});

describe('the end of a stream', () => {
  it('is confirmed by its message and one poll, and leaves no gap', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.connection.receive(message('end'));
    harness.found = { kind: 'offline' };
    await harness.clock.advance(10_000, (now) => session.tick(now));
    expect(harness.log.types().slice(-3)).toEqual(['tiktok.live.end', 'monitor.disconnected', 'monitor.offline']);
    expect(harness.log.all('monitor.offline')).toMatchObject([{ roomId: ROOM, confirmedBy: 'streamEnd' }]);
    expect(session.state).toBe('offline');
  });

  it('without an end message is found by two polls after the disconnect, and leaves a gap', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    const signCalls = harness.signCalls;
    harness.found = { kind: 'offline' };
    harness.connection.drop();
    await harness.clock.advance(10_000);
    expect(harness.log.types().slice(-3)).toEqual(['monitor.disconnected', 'monitor.gap', 'monitor.offline']);
    expect(harness.log.all('monitor.offline')).toMatchObject([{ roomId: ROOM, confirmedBy: 'poll' }]);
    expect(harness.signCalls).toBe(signCalls);
    expect(session.state).toBe('offline');
  });

  it('needs more than one poll', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.found = { kind: 'offline' };
    harness.connection.drop();
    await harness.clock.advance(1_000);
    expect(harness.polls).toBe(2);
    harness.found = live();
    await harness.clock.advance(10_000);
    expect(session.state).toBe('live');
    expect(harness.log.all('monitor.offline')).toEqual([]);
  });

  it('is not confirmed while polls keep calling the room live', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.connection.receive(message('end'));
    await harness.clock.advance(40_000, (now) => session.tick(now));
    expect(session.state).toBe('live');
    expect(harness.log.all('monitor.gap')).toHaveLength(1);
    await harness.clock.advance(10_000, (now) => session.tick(now));
    expect(harness.connections).toHaveLength(2);
  });

  it('is taken from its message alone where TikTok blocks polls', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.found = { kind: 'blocked', status: 403, errors: ['blocked'] };
    harness.connection.receive(message('end'));
    await harness.clock.advance(10_000, (now) => session.tick(now));
    expect(harness.log.all('monitor.offline')).toMatchObject([{ roomId: ROOM, confirmedBy: 'streamEnd' }]);
  });

  it('and a new room of the same creator are two rooms', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    const next = '7000000000000000002';
    harness.found = live(next);
    harness.connection.drop();
    await harness.clock.advance(10_000);
    expect(harness.log.types().slice(-5)).toEqual([
      'monitor.disconnected',
      'monitor.gap',
      'monitor.offline',
      'monitor.live',
      'monitor.connected',
    ]);
    expect(harness.log.all('monitor.offline')[0]).toMatchObject({ roomId: ROOM, confirmedBy: 'poll' });
    expect(harness.log.drafts.at(-1)?.roomId).toBe(next);
    expect(session.state).toBe('live');
  });
});

describe('a connection that is silent', () => {
  it('is replaced, with a gap from its last message', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    await harness.clock.advance(20_000);
    harness.connection.receive(message());
    const lastAt = harness.clock.now();
    await harness.clock.advance(65_000, (now) => session.tick(now));
    expect(harness.connections).toHaveLength(2);
    expect(harness.log.all('monitor.disconnected')[0]).toMatchObject({ reason: 'silence' });
    expect(harness.log.all('monitor.gap')[0]).toMatchObject({ reason: 'silence', from: new Date(lastAt).toISOString() });
  });

  it('only because this process stood still is kept: waiting messages are read first', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.connection.receive(message());
    await harness.clock.advance(5_000, (now) => session.tick(now));
    await harness.clock.advance(90_000);
    session.tick(harness.clock.now());
    harness.connection.receive(message());
    await harness.clock.advance(30_000, (now) => session.tick(now));
    expect(harness.connections).toHaveLength(1);
    expect(harness.log.all('monitor.gap')).toEqual([]);
    await harness.clock.advance(65_000, (now) => session.tick(now));
    expect(harness.connections).toHaveLength(2);
  });

  it('for hours costs a few sign calls only, even if each new connection brings history', async () => {
    const harness = new SessionHarness();
    harness.initial = () => [message(), message()];
    const session = await harness.liveSession();
    await harness.clock.advance(6 * HOUR, (now) => session.tick(now));
    expect(harness.signCalls).toBeLessThan(30);
    expect(harness.signCalls).toBeGreaterThan(5);
  });
});

describe('a creator that refuses', () => {
  it('polls is shown as blocked until the stated time, published once, and polled less', async () => {
    const harness = new SessionHarness();
    harness.found = { kind: 'blocked', status: 429, retryAfterMs: 600_000, errors: ['live page: blocked with 429'] };
    const session = harness.session();
    session.start();
    await settle();
    const status = session.takeStatus(harness.clock.now());
    expect(status).toMatchObject({ state: 'blocked', lastError: { reason: 'poll-429' } });
    expect(status!.lastError!.retryAt! - harness.clock.now()).toBeGreaterThanOrEqual(600_000);
    await harness.clock.advance(HOUR);
    expect(harness.polls).toBeLessThanOrEqual(7);
    expect(harness.log.all('monitor.error')).toHaveLength(1);
  });

  it('connections is shown as blocked, and the time until the first connection is a gap', async () => {
    const harness = new SessionHarness();
    harness.connectResult = { ok: false, reason: 'refused', refusal: 'device-blocked', status: 200, message: 'DEVICE_BLOCKED' };
    const session = await harness.liveSession();
    const foundAt = harness.clock.now();
    expect(session.takeStatus(harness.clock.now())).toMatchObject({ state: 'blocked', lastError: { reason: 'connect-device-blocked' } });
    await harness.clock.advance(5 * MINUTE);
    harness.connectResult = { ok: true };
    await harness.clock.advance(HOUR);
    expect(session.state).toBe('live');
    expect(harness.log.all('monitor.gap')[0]).toMatchObject({ reason: 'blocked', from: new Date(foundAt).toISOString() });
    expect(session.takeStatus(harness.clock.now())?.lastError).toBeUndefined();
  });

  it('because it wants a login is shown as gated', async () => {
    const harness = new SessionHarness();
    harness.isGated = true;
    harness.connectResult = { ok: false, reason: 'refused', refusal: 'forbidden', status: 403, message: 'no' };
    expect((await harness.liveSession()).state).toBe('gated');
  });

  it('to exist is in error, and polled rarely', async () => {
    const harness = new SessionHarness();
    harness.found = { kind: 'not-found' };
    const session = harness.session();
    session.start();
    await harness.clock.advance(HOUR);
    expect(session.state).toBe('error');
    expect(harness.polls).toBeLessThan(20);
    expect(harness.log.all('monitor.error')).toHaveLength(1);
  });
});

describe('changed options', () => {
  it('apply from the next message on: no reconnect, no message twice, and gift counts go on', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.connection.receive(message('gift', 'a'), message('chat', 'b'));
    session.update({ ...harness.record, uniqueId: 'alice2', options: { types: ['tiktok.live.gift'] } });
    harness.connection.receive(message('gift', 'a'), message('chat', 'c'), message('gift', 'd'));
    expect(harness.log.drafts.slice(2).map(({ id, handle }) => `${id.split('-')[1]} ${handle}`)).toEqual([
      'a alice',
      'b alice',
      'd alice2',
    ]);
    expect(harness.connections).toHaveLength(1);
    expect(JSON.parse(harness.log.handoverState!)).toMatchObject({ room: '2' });
    session.tick(harness.clock.now());
    expect(session.takeStatus(harness.clock.now())?.counters).toMatchObject({ messages: 5, events: 3, duplicates: 1 });
  });
});

describe('a full memory', () => {
  it('turns exactly the lost events into one gap, published before the next message', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.connection.receive(message());
    harness.log.isFull = true;
    const from = harness.clock.now();
    for (let n = 0; n < 25; n += 1) harness.connection.receive(message());
    await harness.clock.advance(4_000, (now) => session.tick(now));
    harness.connection.receive(message());
    const to = harness.clock.now();
    harness.log.isFull = false;
    harness.connection.receive(message());
    expect(harness.log.types().slice(-2)).toEqual(['monitor.gap', 'tiktok.live.chat']);
    expect(harness.log.all('monitor.gap')).toEqual([
      { roomId: ROOM, from: new Date(from).toISOString(), to: new Date(to).toISOString(), reason: 'buffer-full', missedEstimate: 26 },
    ]);
    await harness.clock.advance(5_000, (now) => session.tick(now));
    expect(harness.gaps).toEqual(['buffer-full']);
  });

  it('keeps monitor events, in order', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.log.isFull = true;
    harness.connection.drop();
    await harness.clock.advance(5_000, (now) => session.tick(now));
    harness.log.isFull = false;
    await harness.clock.advance(2_000, (now) => session.tick(now));
    expect(harness.log.types()).toEqual(['monitor.live', 'monitor.connected', 'monitor.disconnected', 'monitor.connected', 'monitor.gap']);
  });
});
