import { describe, expect, it } from '@jest/globals';
import type { Lease } from '@tributary/creators';
import { live, message, ROOM, SessionHarness, settle } from '../testing/fakes.js';

const MINUTE = 60_000;
const at = (ms: number) => new Date(ms).toISOString();

/** A live room that is paused or removed five minutes after its last message but one. */
async function stopped(reason: 'paused' | 'removed'): Promise<{ harness: SessionHarness; lastAt: number }> {
  const harness = new SessionHarness();
  const session = await harness.liveSession();
  harness.connection.receive(message());
  await harness.clock.advance(20_000, (now) => session.tick(now));
  harness.connection.receive(message());
  const lastAt = harness.clock.now();
  await harness.clock.advance(10_000, (now) => session.tick(now));
  await session.stop(reason);
  return { harness, lastAt };
}

/** A new session with the handover state of the one before. */
async function resumed(harness: SessionHarness, over: Partial<Lease> = {}): Promise<SessionHarness> {
  const session = harness.session({
    fence: '2000',
    handoverState: harness.log.handoverState,
    lastAt: harness.log.drafts.at(-1)!.receivedAt,
    ...over,
  });
  session.start();
  await settle();
  return harness;
}

describe('a room that is no longer watched', () => {
  it.each(['paused', 'removed'] as const)(
    'because its creator was %s is published as such, with the time when it was last known to be on air',
    async (reason) => {
      const { harness, lastAt } = await stopped(reason);
      expect(harness.log.types().slice(-2)).toEqual(['monitor.disconnected', 'monitor.unwatched']);
      expect(harness.log.all('monitor.unwatched')).toEqual([{ roomId: ROOM, reason, lastSeenAt: at(lastAt) }]);
      expect(harness.log.drafts.at(-1)).toMatchObject({ roomId: ROOM, creatorId: 'cr_1', handle: 'alice' });
    },
  );

  it('is not published for an offline creator, nor when the worker stops or another one takes over', async () => {
    const offline = new SessionHarness();
    const session = offline.session();
    session.start();
    await offline.clock.advance(MINUTE);
    await session.stop('paused');
    expect(offline.log.types()).toEqual([]);
    for (const reason of ['shutdown', 'moved', 'lost'] as const) {
      const harness = new SessionHarness();
      await (await harness.liveSession()).stop(reason);
      expect(harness.log.types()).not.toContain('monitor.unwatched');
    }
  });

  it('was last seen by a poll that found it on air while it could not be connected', async () => {
    const harness = new SessionHarness();
    harness.bundle = () => ({ ok: false, reason: 'unavailable', message: 'the signer is down' });
    const session = await harness.liveSession();
    const foundAt = harness.clock.now();
    await harness.clock.advance(10 * MINUTE, (now) => session.tick(now));
    await session.stop('paused');
    const [unwatched] = harness.log.all('monitor.unwatched');
    expect(Date.parse(unwatched!.lastSeenAt)).toBeGreaterThan(foundAt + 5 * MINUTE);
    expect(Date.parse(unwatched!.lastSeenAt)).toBeLessThanOrEqual(harness.clock.now());
  });

  it('is connected again when monitoring resumes, with the pause as its gap', async () => {
    const { harness, lastAt } = await stopped('paused');
    await harness.clock.advance(40 * MINUTE);
    await resumed(harness);
    expect(harness.log.types().slice(-2)).toEqual(['monitor.connected', 'monitor.gap']);
    expect(harness.log.all('monitor.gap')).toEqual([
      { roomId: ROOM, reason: 'paused', from: at(lastAt), to: at(harness.clock.now()), missedEstimate: expect.any(Number) },
    ]);
  });

  it('and has ended before monitoring resumes ends when it was last known to be on air, not days later', async () => {
    const { harness, lastAt } = await stopped('paused');
    await harness.clock.advance(3 * 24 * 60 * MINUTE);
    harness.found = { kind: 'offline' };
    await resumed(harness);
    await harness.clock.advance(MINUTE);
    expect(harness.log.types().slice(-2)).toEqual(['monitor.gap', 'monitor.offline']);
    expect(harness.log.all('monitor.offline')).toEqual([{ roomId: ROOM, confirmedBy: 'poll', lastSeenAt: at(lastAt) }]);
    const [gap] = harness.log.all('monitor.gap');
    expect(gap).toMatchObject({ reason: 'paused', from: at(lastAt), lastSeenAt: at(lastAt) });
    expect(Date.parse(gap!.to)).toBeGreaterThan(lastAt + 2 * 24 * 60 * MINUTE);
  });

  it('leaves a gap to the next holder even if it was never connected', async () => {
    const harness = new SessionHarness();
    harness.connectResult = { ok: false, reason: 'unreachable', message: 'no route' };
    const session = await harness.liveSession();
    const foundAt = harness.clock.now();
    await session.stop('removed');
    harness.connectResult = { ok: true };
    harness.found = live();
    await harness.clock.advance(20 * MINUTE);
    await resumed(harness);
    expect(harness.log.all('monitor.gap')).toMatchObject([{ from: at(foundAt) }]);
  });
});
