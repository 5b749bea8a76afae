import { describe, expect, it } from '@jest/globals';
import { decodeHandoverState } from '../handover/handover-state.js';
import { live, message, ROOM, SessionHarness, settle } from '../testing/fakes.js';
import { LiveHours } from './live-hours.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

describe('an offline creator', () => {
  const pollsWithin = async (harness: SessionHarness, ms: number): Promise<number> => {
    const before = harness.polls;
    await harness.clock.advance(ms);
    return harness.polls - before;
  };

  it('that was live lately is polled more often than one that never was, which is polled less from day to day', async () => {
    const fresh = new SessionHarness();
    fresh.session().start();
    await settle();
    expect(await pollsWithin(fresh, HOUR)).toBeGreaterThan(45);
    await fresh.clock.advance(2 * DAY);
    expect(await pollsWithin(fresh, HOUR)).toBeLessThan(40);

    const recent = new SessionHarness();
    const session = await recent.liveSession();
    recent.connection.receive(message('end'));
    recent.found = { kind: 'offline' };
    await recent.clock.advance(10_000, (now) => session.tick(now));
    expect(await pollsWithin(recent, HOUR)).toBeGreaterThan(95);
  });

  it('keeps its live hours over a handover or restart', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    expect(decodeHandoverState(harness.log.handoverState)?.hours).toBeDefined();
    harness.connection.receive(message('end'));
    harness.found = { kind: 'offline' };
    await harness.clock.advance(10_000, (now) => session.tick(now));
    await session.stop('shutdown');
    const { handoverState } = harness.log;
    const inherited = LiveHours.decode(decodeHandoverState(handoverState)?.hours);
    expect(inherited.isUsual(harness.clock.now() + WEEK)).toBe(true);

    const next = new SessionHarness();
    next.session({ from: 'released', handoverState, lastAt: next.clock.now() }).start();
    await settle();
    expect(await pollsWithin(next, HOUR)).toBeGreaterThan(95);
  });

  it('marks each hour of a long broadcast', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    const startedAt = harness.clock.now();
    await harness.clock.advance(5 * HOUR, (now) => {
      session.tick(now);
      harness.connection.receive(message());
    });
    const hours = LiveHours.decode(decodeHandoverState(harness.log.handoverState)?.hours);
    expect([0, 2, 4, 9].map((n) => hours.isUsual(startedAt + WEEK + n * HOUR))).toEqual([true, true, true, false]);
  });

  it('whose room is prepared is checked in a batch between polls, and polled at once if the batch calls it alive', async () => {
    const harness = new SessionHarness();
    harness.found = { kind: 'offline', roomId: ROOM, userId: '42', isOpen: true };
    const session = harness.session();
    session.start();
    await settle();
    expect({ polls: harness.polls, checks: harness.checks }).toEqual({ polls: 1, checks: [] });
    harness.found = live();
    await harness.clock.advance(38_000);
    expect(session.state).toBe('live');
    expect({ polls: harness.polls, checks: harness.checks }).toEqual({ polls: 2, checks: [[ROOM]] });
    expect(session.takeStatus(harness.clock.now())).toMatchObject({ roomId: ROOM, userId: '42' });
  });

  it('whose room ended causes no false broadcasts while TikTok calls every room alive, and is found when it is live', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.connection.receive(message('end'));
    harness.found = { kind: 'offline', roomId: ROOM };
    harness.isAlwaysAlive = true;
    await harness.clock.advance(10_000, (now) => session.tick(now));
    const before = { events: harness.log.types().length, signCalls: harness.signCalls, polls: harness.polls };
    await harness.clock.advance(25 * MINUTE, (now) => session.tick(now));
    expect({ events: harness.log.types().length, signCalls: harness.signCalls }).toEqual({
      events: before.events,
      signCalls: before.signCalls,
    });
    // The batch is not trusted a second time: no more polls than without it.
    expect(harness.polls - before.polls).toBeLessThan(60);
    harness.found = live('7000000000000000002');
    await harness.clock.advance(40_000, (now) => session.tick(now));
    expect(session.state).toBe('live');
  });

  it('whose last room ended long ago is not checked by that room, because a new broadcast has another', async () => {
    const harness = new SessionHarness();
    harness.found = { kind: 'offline', roomId: ROOM };
    harness.session().start();
    await harness.clock.advance(HOUR);
    expect(harness.polls).toBeGreaterThan(40);
    expect(harness.checks).toEqual([]);
  });

  it('is polled at once with a changed handle or proxy, however long the wait', async () => {
    const harness = new SessionHarness();
    harness.found = { kind: 'not-found' };
    const session = harness.session();
    session.start();
    await settle();
    expect(session.state).toBe('error');
    harness.found = live();
    session.update({ ...harness.record, uniqueId: 'alice2' });
    await settle();
    expect(session.state).toBe('live');
  });

  it('whose secrets do not open is in error, shows why, and is not polled from another address', async () => {
    const harness = new SessionHarness();
    harness.opened = { ok: false, message: 'CREATOR_SECRET_KEY is not set, but this creator has a proxy' };
    const session = harness.session();
    session.start();
    await harness.clock.advance(10 * MINUTE);
    expect(session.takeStatus(harness.clock.now())).toMatchObject({
      state: 'error',
      lastError: { reason: 'secrets-unreadable', message: expect.stringContaining('CREATOR_SECRET_KEY') },
    });
    expect(harness.polls).toBe(0);
    harness.opened = { ok: true, secrets: {} };
    await harness.clock.advance(2 * MINUTE);
    expect(session.state).toBe('offline');
  });
});
