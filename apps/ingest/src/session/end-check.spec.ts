import { describe, expect, it } from '@jest/globals';
import { encodeHandoverState } from '../handover/handover-state.js';
import { live, message, ROOM, SessionHarness, settle } from '../testing/fakes.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a room that is not connected', () => {
  it('is polled after a drop or a takeover, because a batch may call every room alive', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    for (let second = 0; second < 20; second += 1) {
      harness.connection.receive(message());
      await harness.clock.advance(1_000);
    }
    harness.connection.drop();
    await harness.clock.advance(2_000);
    expect(session.state).toBe('live');
    expect({ polls: harness.polls, checks: harness.checks }).toEqual({ polls: 2, checks: [] });

    const next = new SessionHarness();
    next.found = live();
    const handoverState = encodeHandoverState({ roomId: ROOM, live: true });
    next.session({ from: 'released', handoverState, lastAt: next.clock.now() }).start();
    await settle();
    expect({ polls: next.polls, checks: next.checks, connections: next.connections.length }).toEqual({
      polls: 1,
      checks: [],
      connections: 1,
    });
  });

  it('is checked in a batch while many polls wait, but only if it was received a moment ago', async () => {
    const crowd = (harness: SessionHarness) => {
      for (let n = 0; n < 80; n += 1) {
        const other = { id: `cr_other${n}`, uniqueId: `other${n}`, options: {} };
        void harness.services.poller.poll(other, true, new AbortController().signal);
      }
    };
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    for (let second = 0; second < 20; second += 1) {
      harness.connection.receive(message());
      await harness.clock.advance(1_000);
    }
    harness.connection.drop();
    crowd(harness);
    await harness.clock.advance(4_000);
    expect({ state: session.state, checks: harness.checks }).toEqual({ state: 'live', checks: [[ROOM]] });

    const next = new SessionHarness();
    next.found = { kind: 'offline', roomId: ROOM };
    next.isAlwaysAlive = true;
    crowd(next);
    const handoverState = encodeHandoverState({ roomId: ROOM, live: true });
    next.session({ from: 'expired', handoverState, lastAt: next.clock.now() - 2 * MINUTE }).start();
    await next.clock.advance(MINUTE);
    expect({ signCalls: next.signCalls, offline: next.log.all('monitor.offline').length }).toEqual({ signCalls: 0, offline: 1 });
  });

  it('has not ended while it is paused, and costs few sign calls until it continues', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    const signed = harness.signCalls;
    harness.found = { kind: 'offline', roomId: ROOM, isOpen: true };
    harness.bundle = () => ({ ok: false, reason: 'offline', message: 'not on air' });
    harness.connection.drop();
    // Six failures, which end it, take ten seconds at least.
    await harness.clock.advance(9_000);
    expect(session.state).toBe('reconnecting');
    expect(harness.signCalls - signed).toBeLessThan(6);
    harness.found = live();
    harness.bundle = new SessionHarness().bundle;
    await harness.clock.advance(2 * MINUTE);
    expect(session.state).toBe('live');
    expect(harness.log.all('monitor.offline')).toEqual([]);
  });

  it('costs a bounded number of sign calls while the signer calls it offline and polls call it live', async () => {
    const harness = new SessionHarness();
    harness.bundle = () => ({ ok: false, reason: 'offline', message: 'not on air' });
    const session = await harness.liveSession();
    await harness.clock.advance(HOUR, (now) => session.tick(now));
    expect(harness.signCalls).toBeLessThan(160);
  });
});
