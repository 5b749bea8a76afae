import { describe, expect, it } from '@jest/globals';
import { live, message, ROOM, Scene, settle } from '../testing/fakes.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a creator that goes live', () => {
  it('is announced, connected, and received in order, under the fence of its lease', async () => {
    const scene = new Scene();
    const session = scene.session({ fence: '1700000000000001' });
    session.start();
    await scene.clock.advance(10 * MINUTE);
    expect(scene.log.drafts).toEqual([]);
    expect(session.state).toBe('offline');

    scene.found = live();
    await scene.clock.advance(2 * MINUTE);
    scene.link.receive(message('chat', '1'), message('chat', '2'));
    scene.link.receive(message('chat', '3'));
    expect(scene.log.types()).toEqual(['monitor.live', 'monitor.connected', ...Array<string>(3).fill('tiktok.live.chat')]);
    expect(scene.log.drafts.map(({ id }) => id)).toEqual([
      'cr_1-1700000000000001-1',
      'cr_1-1700000000000001-2',
      `${ROOM}-1`,
      `${ROOM}-2`,
      `${ROOM}-3`,
    ]);
    expect(scene.log.drafts.every(({ fence }) => fence === '1700000000000001')).toBe(true);
    expect(scene.log.all('monitor.connected')).toEqual([{ roomId: ROOM, userId: '42', worker: 'w1', connection: 1, provider: 'fake' }]);
    expect(session.state).toBe('live');
    expect(session.takeStatus(scene.clock.now())).toMatchObject({
      roomId: ROOM,
      userId: '42',
      title: 'a title',
      counters: { messages: 3 },
    });
  });

  it('says that it is connected before the messages that come with the bundle', async () => {
    const scene = new Scene();
    scene.initial = () => [message()];
    await scene.liveSession();
    expect(scene.log.types()).toEqual(['monitor.live', 'monitor.connected', 'tiktok.live.chat']);
  });
});

describe('a connection whose frames cannot be read', () => {
  it('is replaced, with a gap from the last message before them, and its frames are counted', async () => {
    const scene = new Scene();
    await scene.liveSession();
    scene.link.receive(message());
    const before = scene.clock.now();
    await scene.clock.advance(20_000);
    scene.link.stats.badFrames = 9;
    // One of the frames between them was read.
    scene.link.receive(message());
    scene.link.drop('unreadable', 1006, { unreadSince: before });
    await scene.clock.advance(30_000);
    expect(scene.log.all('monitor.disconnected')).toMatchObject([{ reason: 'unreadable' }]);
    expect(scene.log.all('monitor.gap')).toMatchObject([{ reason: 'disconnect', from: new Date(before).toISOString() }]);
    expect(scene.services.totals.unreadFrames).toBe(9);
  });

  it('is replaced ever more slowly while the next ones are no better', async () => {
    const scene = new Scene();
    await scene.liveSession();
    let connections = 0;
    for (let minute = 0; minute < 10; minute += 1) {
      for (let second = 0; second < 60; second += 1) {
        if (scene.link.isOpen) {
          connections += 1;
          await scene.clock.advance(500);
          scene.link.drop('unreadable', 1006, { unreadSince: scene.clock.now() });
        }
        await scene.clock.advance(1_000);
      }
    }
    expect(connections).toBeGreaterThan(3);
    expect(connections).toBeLessThan(30);
  });
});

describe('a connection that breaks', () => {
  it('leaves a gap from its last message to the reconnect, with an estimate', async () => {
    const scene = new Scene();
    await scene.liveSession();
    for (let second = 0; second < 30; second += 1) {
      scene.link.receive(message(), message());
      await scene.clock.advance(1_000);
    }
    const lastAt = scene.clock.now() - 1_000;
    scene.bundle = () => ({ ok: false, reason: 'unavailable', message: 'the signer is down' });
    scene.link.drop();
    await scene.clock.advance(20_000);
    scene.bundle = new Scene().bundle;
    await scene.clock.advance(30_000);
    const [gap] = scene.log.all('monitor.gap');
    const connectedAt = scene.log.drafts.find(
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
    expect(scene.log.types().filter((type) => type.startsWith('monitor.'))).toEqual([
      'monitor.live',
      'monitor.connected',
      'monitor.disconnected',
      'monitor.error',
      'monitor.connected',
      'monitor.gap',
    ]);
  });

  it('does not count again what the next one repeats', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.link.receive(message('chat', '1'), message('chat', '2'));
    scene.initial = () => [message('chat', '2'), message('chat', '3')];
    scene.link.drop();
    await scene.clock.advance(5_000, (now) => session.tick(now));
    expect(scene.log.drafts.filter(({ type }) => type === 'tiktok.live.chat').map(({ id }) => id)).toEqual(
      [1, 2, 3].map((n) => `${ROOM}-${n}`),
    );
    expect(session.takeStatus(scene.clock.now())?.counters).toMatchObject({ duplicates: 1, reconnects: 1, gaps: 1 });
  });

  it('again and again is not answered with a storm of sign calls', async () => {
    const scene = new Scene();
    await scene.liveSession();
    const dropping = (): void => scene.links.forEach((link) => link.drop());
    await scene.clock.advance(HOUR, dropping);
    expect(scene.signCalls).toBeLessThan(160);
  });

  it('while the signer is down is tried at a bounded rate, and told once', async () => {
    const scene = new Scene();
    await scene.liveSession();
    scene.bundle = () => ({ ok: false, reason: 'unavailable', message: 'the signer is down' });
    scene.link.drop();
    await scene.clock.advance(HOUR);
    expect(scene.signCalls).toBeLessThan(160);
    expect(scene.log.all('monitor.error')).toEqual([
      { reason: 'sign-unavailable', message: 'the signer is down', retryAt: expect.any(String) },
    ]);
  });
});

describe('the end of a stream', () => {
  it('is confirmed by its message and one poll, and leaves no gap', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.link.receive(message('end'));
    scene.found = { kind: 'offline' };
    await scene.clock.advance(10_000, (now) => session.tick(now));
    expect(scene.log.types().slice(-3)).toEqual(['tiktok.live.end', 'monitor.disconnected', 'monitor.offline']);
    expect(scene.log.all('monitor.offline')).toMatchObject([{ roomId: ROOM, confirmedBy: 'streamEnd' }]);
    expect(session.state).toBe('offline');
  });

  it('that no message told is found by two polls after the disconnect, and leaves a gap', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    const signCalls = scene.signCalls;
    scene.found = { kind: 'offline' };
    scene.link.drop();
    await scene.clock.advance(10_000);
    expect(scene.log.types().slice(-3)).toEqual(['monitor.disconnected', 'monitor.gap', 'monitor.offline']);
    expect(scene.log.all('monitor.offline')).toMatchObject([{ roomId: ROOM, confirmedBy: 'poll' }]);
    expect(scene.signCalls).toBe(signCalls);
    expect(session.state).toBe('offline');
  });

  it('is not believed from one poll alone', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.found = { kind: 'offline' };
    scene.link.drop();
    await scene.clock.advance(1_000);
    expect(scene.polls).toBe(2);
    scene.found = live();
    await scene.clock.advance(10_000);
    expect(session.state).toBe('live');
    expect(scene.log.all('monitor.offline')).toEqual([]);
  });

  it('is not believed while polls keep saying that the room lives', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.link.receive(message('end'));
    await scene.clock.advance(40_000, (now) => session.tick(now));
    expect(session.state).toBe('live');
    expect(scene.log.all('monitor.gap')).toHaveLength(1);
    await scene.clock.advance(10_000, (now) => session.tick(now));
    expect(scene.links).toHaveLength(2);
  });

  it('that TikTok does not confirm, since it blocks polls, is taken from its message', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.found = { kind: 'blocked', status: 403, errors: ['blocked'] };
    scene.link.receive(message('end'));
    await scene.clock.advance(10_000, (now) => session.tick(now));
    expect(scene.log.all('monitor.offline')).toMatchObject([{ roomId: ROOM, confirmedBy: 'streamEnd' }]);
  });

  it('and a new room of the same creator are two rooms', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    const next = '7000000000000000002';
    scene.found = live(next);
    scene.link.drop();
    await scene.clock.advance(10_000);
    expect(scene.log.types().slice(-5)).toEqual([
      'monitor.disconnected',
      'monitor.gap',
      'monitor.offline',
      'monitor.live',
      'monitor.connected',
    ]);
    expect(scene.log.all('monitor.offline')[0]).toMatchObject({ roomId: ROOM, confirmedBy: 'poll' });
    expect(scene.log.drafts.at(-1)?.roomId).toBe(next);
    expect(session.state).toBe('live');
  });
});

describe('a connection that is silent', () => {
  it('is replaced, with a gap from its last message', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    await scene.clock.advance(20_000);
    scene.link.receive(message());
    const lastAt = scene.clock.now();
    await scene.clock.advance(65_000, (now) => session.tick(now));
    expect(scene.links).toHaveLength(2);
    expect(scene.log.all('monitor.disconnected')[0]).toMatchObject({ reason: 'silence' });
    expect(scene.log.all('monitor.gap')[0]).toMatchObject({ reason: 'silence', from: new Date(lastAt).toISOString() });
  });

  it('only because this process stood still is kept: what waits in its socket is read first', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.link.receive(message());
    await scene.clock.advance(5_000, (now) => session.tick(now));
    await scene.clock.advance(90_000);
    session.tick(scene.clock.now());
    scene.link.receive(message());
    await scene.clock.advance(30_000, (now) => session.tick(now));
    expect(scene.links).toHaveLength(1);
    expect(scene.log.all('monitor.gap')).toEqual([]);
    await scene.clock.advance(65_000, (now) => session.tick(now));
    expect(scene.links).toHaveLength(2);
  });

  it('for hours costs a few sign calls only, though each new connection brings its history', async () => {
    const scene = new Scene();
    scene.initial = () => [message(), message()];
    const session = await scene.liveSession();
    await scene.clock.advance(6 * HOUR, (now) => session.tick(now));
    expect(scene.signCalls).toBeLessThan(30);
    expect(scene.signCalls).toBeGreaterThan(5);
  });
});

describe('a creator that refuses', () => {
  it('polls is shown as blocked until a stated time, told once, and asked less', async () => {
    const scene = new Scene();
    scene.found = { kind: 'blocked', status: 429, retryAfterMs: 600_000, errors: ['live page: blocked with 429'] };
    const session = scene.session();
    session.start();
    await settle();
    const status = session.takeStatus(scene.clock.now());
    expect(status).toMatchObject({ state: 'blocked', lastError: { reason: 'poll-429' } });
    expect(status!.lastError!.retryAt! - scene.clock.now()).toBeGreaterThanOrEqual(600_000);
    await scene.clock.advance(HOUR);
    expect(scene.polls).toBeLessThanOrEqual(7);
    expect(scene.log.all('monitor.error')).toHaveLength(1);
  });

  it('connections is shown as blocked; what was missed until it gives way is a gap', async () => {
    const scene = new Scene();
    scene.connectResult = { ok: false, reason: 'refused', refusal: 'device-blocked', status: 200, message: 'DEVICE_BLOCKED' };
    const session = await scene.liveSession();
    const foundAt = scene.clock.now();
    expect(session.takeStatus(scene.clock.now())).toMatchObject({ state: 'blocked', lastError: { reason: 'connect-device-blocked' } });
    await scene.clock.advance(5 * MINUTE);
    scene.connectResult = { ok: true };
    await scene.clock.advance(HOUR);
    expect(session.state).toBe('live');
    expect(scene.log.all('monitor.gap')[0]).toMatchObject({ reason: 'blocked', from: new Date(foundAt).toISOString() });
    expect(session.takeStatus(scene.clock.now())?.lastError).toBeUndefined();
  });

  it('since it wants a login is shown as gated', async () => {
    const scene = new Scene();
    scene.isGated = true;
    scene.connectResult = { ok: false, reason: 'refused', refusal: 'forbidden', status: 403, message: 'no' };
    expect((await scene.liveSession()).state).toBe('gated');
  });

  it('to exist is in error, and asked for rarely', async () => {
    const scene = new Scene();
    scene.found = { kind: 'not-found' };
    const session = scene.session();
    session.start();
    await scene.clock.advance(HOUR);
    expect(session.state).toBe('error');
    expect(scene.polls).toBeLessThan(20);
    expect(scene.log.all('monitor.error')).toHaveLength(1);
  });
});

describe('changed options', () => {
  it('count from the next message on: no reconnect, no message twice, gifts counted on', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.link.receive(message('gift', 'a'), message('chat', 'b'));
    session.update({ ...scene.record, uniqueId: 'alice2', options: { types: ['tiktok.live.gift'] } });
    scene.link.receive(message('gift', 'a'), message('chat', 'c'), message('gift', 'd'));
    expect(scene.log.drafts.slice(2).map(({ id, handle }) => `${id.split('-')[1]} ${handle}`)).toEqual(['a alice', 'b alice', 'd alice2']);
    expect(scene.links).toHaveLength(1);
    expect(JSON.parse(scene.log.carry!)).toMatchObject({ room: '2' });
    session.tick(scene.clock.now());
    expect(session.takeStatus(scene.clock.now())?.counters).toMatchObject({ messages: 5, events: 3, duplicates: 1 });
  });
});

describe('a full memory', () => {
  it('loses no account: exactly what was lost is one gap, told before the next message', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.link.receive(message());
    scene.log.isFull = true;
    const from = scene.clock.now();
    for (let n = 0; n < 25; n += 1) scene.link.receive(message());
    await scene.clock.advance(4_000, (now) => session.tick(now));
    scene.link.receive(message());
    const to = scene.clock.now();
    scene.log.isFull = false;
    scene.link.receive(message());
    expect(scene.log.types().slice(-2)).toEqual(['monitor.gap', 'tiktok.live.chat']);
    expect(scene.log.all('monitor.gap')).toEqual([
      { roomId: ROOM, from: new Date(from).toISOString(), to: new Date(to).toISOString(), reason: 'buffer-full', missedEstimate: 26 },
    ]);
    await scene.clock.advance(5_000, (now) => session.tick(now));
    expect(scene.gaps).toEqual(['buffer-full']);
  });

  it('keeps what the system itself has to say, in order', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.log.isFull = true;
    scene.link.drop();
    await scene.clock.advance(5_000, (now) => session.tick(now));
    scene.log.isFull = false;
    await scene.clock.advance(2_000, (now) => session.tick(now));
    expect(scene.log.types()).toEqual(['monitor.live', 'monitor.connected', 'monitor.disconnected', 'monitor.connected', 'monitor.gap']);
  });
});
