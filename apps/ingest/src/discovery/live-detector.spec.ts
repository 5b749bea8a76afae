import { describe, expect, it } from '@jest/globals';
import { decodeCreatorCarry, encodeCreatorCarry } from '../handover/handover-state.js';
import { LiveHours } from './live-hours.js';
import { pollFactor } from './live-detector.js';
import { live, message, ROOM, Scene, settle } from '../testing/fakes.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
const AT = Date.UTC(2026, 10, 22, 20, 30);

describe('the hours of a creator', () => {
  it('outlive encoding, in 70 characters', () => {
    const hours = new LiveHours();
    for (let at = AT - 3 * HOUR; at <= AT; at += HOUR) hours.mark(at);
    const text = hours.encode()!;
    expect(text.length).toBeLessThanOrEqual(72);
    const read = LiveHours.decode(text);
    expect(read.lastLiveAt).toBe(AT);
    const usual = (one: LiveHours) => Array.from({ length: 168 }, (_, n) => one.isUsual(AT + n * HOUR));
    expect(usual(read)).toEqual(usual(hours));
    expect(usual(read).filter(Boolean)).toHaveLength(6);
  });

  it('are those of three weeks: an hour without a broadcast is forgotten', () => {
    const hours = new LiveHours();
    hours.mark(AT);
    expect([1, 2, 3, 5].map((weeks) => hours.isUsual(AT + weeks * WEEK))).toEqual([true, true, false, false]);
  });

  it('begin anew where the text cannot be read', () => {
    for (const text of [undefined, '', 'x', '1.2.short', `1.2.${'*'.repeat(56)}`]) {
      const hours = LiveHours.decode(text);
      expect({ text, last: hours.lastLiveAt, usual: hours.isUsual(AT), again: hours.encode() }).toEqual({
        text,
        last: undefined,
        usual: false,
        again: undefined,
      });
    }
  });

  it('make a creator polled twice as often where it is expected, and up to 8 times less where nothing is heard of it', () => {
    const hours = new LiveHours();
    hours.mark(AT);
    const factor = (later: number, one = hours, changedAt = 0) => pollFactor(LiveHours.decode(one.encode()), changedAt, AT + later);
    expect([HOUR, 5 * HOUR, DAY + 4 * HOUR, WEEK - HOUR, WEEK + 12 * HOUR, 29 * DAY].map((later) => factor(later))).toEqual([
      0.5, 1, 2, 0.5, 4, 8,
    ]);
    // One that was just added, or resumed, is asked for at the usual pace though it was never seen.
    expect([HOUR, 2 * DAY, 30 * DAY].map((later) => factor(later, new LiveHours(), AT))).toEqual([1, 2, 8]);
  });
});

describe('an offline creator', () => {
  const pollsWithin = async (scene: Scene, ms: number): Promise<number> => {
    const before = scene.polls;
    await scene.clock.advance(ms);
    return scene.polls - before;
  };

  it('that was live lately is polled more often than one that never was, and that one less with the days', async () => {
    const fresh = new Scene();
    fresh.session().start();
    await settle();
    expect(await pollsWithin(fresh, HOUR)).toBeGreaterThan(45);
    await fresh.clock.advance(2 * DAY);
    expect(await pollsWithin(fresh, HOUR)).toBeLessThan(40);

    const recent = new Scene();
    const session = await recent.liveSession();
    recent.link.receive(message('end'));
    recent.found = { kind: 'offline' };
    await recent.clock.advance(10_000, (now) => session.tick(now));
    expect(await pollsWithin(recent, HOUR)).toBeGreaterThan(95);
  });

  it('keeps what is known of its hours over a hand-over or restart: it is in what the next holder inherits', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    expect(decodeCreatorCarry(scene.log.carry)?.hours).toBeDefined();
    scene.link.receive(message('end'));
    scene.found = { kind: 'offline' };
    await scene.clock.advance(10_000, (now) => session.tick(now));
    await session.stop('shutdown');
    const { carry } = scene.log;
    const inherited = LiveHours.decode(decodeCreatorCarry(carry)?.hours);
    expect(inherited.isUsual(scene.clock.now() + WEEK)).toBe(true);

    const next = new Scene();
    next.session({ from: 'released', carry, lastAt: next.clock.now() }).start();
    await settle();
    expect(await pollsWithin(next, HOUR)).toBeGreaterThan(95);
  });

  it('marks each hour of a long broadcast', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    const startedAt = scene.clock.now();
    await scene.clock.advance(5 * HOUR, (now) => {
      session.tick(now);
      scene.link.receive(message());
    });
    const hours = LiveHours.decode(decodeCreatorCarry(scene.log.carry)?.hours);
    expect([0, 2, 4, 9].map((n) => hours.isUsual(startedAt + WEEK + n * HOUR))).toEqual([true, true, true, false]);
  });

  it('whose room is prepared is asked for in a batch between polls, and polled at once where that calls it alive', async () => {
    const scene = new Scene();
    scene.found = { kind: 'offline', roomId: ROOM, userId: '42', isOpen: true };
    const session = scene.session();
    session.start();
    await settle();
    expect({ polls: scene.polls, checks: scene.checks }).toEqual({ polls: 1, checks: [] });
    scene.found = live();
    await scene.clock.advance(38_000);
    expect(session.state).toBe('live');
    expect({ polls: scene.polls, checks: scene.checks }).toEqual({ polls: 2, checks: [[ROOM]] });
    expect(session.takeStatus(scene.clock.now())).toMatchObject({ roomId: ROOM, userId: '42' });
  });

  it('that ended is no storm of false broadcasts while TikTok calls every room alive, and is found when it is live', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.link.receive(message('end'));
    scene.found = { kind: 'offline', roomId: ROOM };
    scene.isAlwaysAlive = true;
    await scene.clock.advance(10_000, (now) => session.tick(now));
    const before = { events: scene.log.types().length, signCalls: scene.signCalls, polls: scene.polls };
    await scene.clock.advance(25 * MINUTE, (now) => session.tick(now));
    expect({ events: scene.log.types().length, signCalls: scene.signCalls }).toEqual({
      events: before.events,
      signCalls: before.signCalls,
    });
    // The batch is not believed a second time: no more polls than without it.
    expect(scene.polls - before.polls).toBeLessThan(60);
    scene.found = live('7000000000000000002');
    await scene.clock.advance(40_000, (now) => session.tick(now));
    expect(session.state).toBe('live');
  });

  it('whose last room ended long ago is not asked for by that room: a new broadcast has another', async () => {
    const scene = new Scene();
    scene.found = { kind: 'offline', roomId: ROOM };
    scene.session().start();
    await scene.clock.advance(HOUR);
    expect(scene.polls).toBeGreaterThan(40);
    expect(scene.checks).toEqual([]);
  });

  it('is polled at once by a changed handle or proxy, however long the wait', async () => {
    const scene = new Scene();
    scene.found = { kind: 'not-found' };
    const session = scene.session();
    session.start();
    await settle();
    expect(session.state).toBe('error');
    scene.found = live();
    session.update({ ...scene.record, uniqueId: 'alice2' });
    await settle();
    expect(session.state).toBe('live');
  });

  it('whose secrets do not open is in error, says why, and is not asked for from another address', async () => {
    const scene = new Scene();
    scene.opened = { ok: false, message: 'CREATOR_SECRET_KEY is not set, but this creator has a proxy' };
    const session = scene.session();
    session.start();
    await scene.clock.advance(10 * MINUTE);
    expect(session.takeStatus(scene.clock.now())).toMatchObject({
      state: 'error',
      lastError: { reason: 'secrets-unreadable', message: expect.stringContaining('CREATOR_SECRET_KEY') },
    });
    expect(scene.polls).toBe(0);
    scene.opened = { ok: true, secrets: {} };
    await scene.clock.advance(2 * MINUTE);
    expect(session.state).toBe('offline');
  });
});

describe('a room that is looked at again', () => {
  it('after a drop or a hand-over is polled, for a batch may call every room alive', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    for (let second = 0; second < 20; second += 1) {
      scene.link.receive(message());
      await scene.clock.advance(1_000);
    }
    scene.link.drop();
    await scene.clock.advance(2_000);
    expect(session.state).toBe('live');
    expect({ polls: scene.polls, checks: scene.checks }).toEqual({ polls: 2, checks: [] });

    const next = new Scene();
    next.found = live();
    const carry = encodeCreatorCarry({ roomId: ROOM, live: true });
    next.session({ from: 'released', carry, lastAt: next.clock.now() }).start();
    await settle();
    expect({ polls: next.polls, checks: next.checks, links: next.links.length }).toEqual({ polls: 1, checks: [], links: 1 });
  });

  it('while many wait for their poll goes by the batch, but only where it was received a moment ago', async () => {
    const crowd = (scene: Scene) => {
      for (let n = 0; n < 80; n += 1) void scene.services.polls.poll(`other${n}`, true, new AbortController().signal);
    };
    const scene = new Scene();
    const session = await scene.liveSession();
    for (let second = 0; second < 20; second += 1) {
      scene.link.receive(message());
      await scene.clock.advance(1_000);
    }
    scene.link.drop();
    crowd(scene);
    await scene.clock.advance(4_000);
    expect({ state: session.state, checks: scene.checks }).toEqual({ state: 'live', checks: [[ROOM]] });

    const next = new Scene();
    next.found = { kind: 'offline', roomId: ROOM };
    next.isAlwaysAlive = true;
    crowd(next);
    const carry = encodeCreatorCarry({ roomId: ROOM, live: true });
    next.session({ from: 'expired', carry, lastAt: next.clock.now() - 2 * MINUTE }).start();
    await next.clock.advance(MINUTE);
    expect({ signCalls: next.signCalls, offline: next.log.all('monitor.offline').length }).toEqual({ signCalls: 0, offline: 1 });
  });

  it('while it is paused has not ended, and costs few sign calls until it goes on', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    const signed = scene.signCalls;
    scene.found = { kind: 'offline', roomId: ROOM, isOpen: true };
    scene.bundle = () => ({ ok: false, reason: 'offline', message: 'not on air' });
    scene.link.drop();
    // Six failures, after which it counts as ended, take 10 s at least.
    await scene.clock.advance(9_000);
    expect(session.state).toBe('reconnecting');
    expect(scene.signCalls - signed).toBeLessThan(6);
    scene.found = live();
    scene.bundle = new Scene().bundle;
    await scene.clock.advance(2 * MINUTE);
    expect(session.state).toBe('live');
    expect(scene.log.all('monitor.offline')).toEqual([]);
  });

  it('that the signer calls offline, while polls call it live, is no storm of sign calls', async () => {
    const scene = new Scene();
    scene.bundle = () => ({ ok: false, reason: 'offline', message: 'not on air' });
    const session = await scene.liveSession();
    await scene.clock.advance(HOUR, (now) => session.tick(now));
    expect(scene.signCalls).toBeLessThan(160);
  });
});

describe('a socket', () => {
  const lively = async (seconds: number) => {
    const scene = new Scene();
    const session = await scene.liveSession();
    await scene.clock.advance(seconds * 1_000, (now) => {
      if ((now / 1_000) % 2 === 0) scene.link.receive(message());
      session.tick(now);
    });
    return { scene, session, diedAt: scene.clock.now() };
  };

  it('of a room with a cadence that falls silent altogether is replaced within seconds', async () => {
    const { scene, session, diedAt } = await lively(120);
    await scene.clock.advance(18_000, (now) => session.tick(now));
    expect(scene.ends.map(({ reason }) => reason)).toEqual(['silence']);
    const [gap] = scene.log.all('monitor.gap');
    expect(gap).toMatchObject({ reason: 'silence' });
    expect(Date.parse(gap!.to) - diedAt).toBeLessThan(19_000);
  });

  it('of a paused stream is waited for longer while it answers heartbeats, and no longer than others when it is dead', async () => {
    const { scene, session } = await lively(120);
    scene.link.receive(message('pause'));
    await scene.clock.advance(180_000, (now) => {
      if ((now / 1_000) % 10 === 0) scene.link.beat();
      session.tick(now);
    });
    expect(scene.links).toHaveLength(1);
    await scene.clock.advance(60_000, (now) => session.tick(now));
    expect(scene.ends.map(({ reason }) => reason)).toEqual(['silence']);
  });

  it('that still answers heartbeats is one to a quiet room: it is left alone until the long bound', async () => {
    const { scene, session } = await lively(120);
    await scene.clock.advance(55_000, (now) => {
      if ((now / 1_000) % 12 === 0) scene.link.beat();
      session.tick(now);
    });
    expect(scene.links).toHaveLength(1);
  });

  it('of a room whose cadence is not known yet is not judged by it', async () => {
    const { scene, session } = await lively(20);
    await scene.clock.advance(55_000, (now) => session.tick(now));
    expect(scene.links).toHaveLength(1);
    await scene.clock.advance(10_000, (now) => session.tick(now));
    expect(scene.links.length).toBeGreaterThan(1);
  });

  it('of a room that has become slow is not replaced again and again: its new cadence is learnt', async () => {
    const { scene, session } = await lively(120);
    await scene.clock.advance(HOUR, (now) => {
      if ((now / 1_000) % 15 === 0 && session.state === 'live') scene.link.receive(message());
      session.tick(now);
    });
    expect(scene.links.length).toBeLessThan(5);
  });
});
