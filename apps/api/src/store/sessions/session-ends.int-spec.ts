import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { ApiUnderTest, draft } from '../../testing/api-under-test.js';
import { SessionsAggregate } from './sessions-aggregate.js';

let api: ApiUnderTest;
const START = Date.UTC(2026, 10, 22, 10);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const at = (ms: number) => ({ time: START + ms, receivedAt: START + ms });
const iso = (ms: number) => new Date(START + ms).toISOString();

beforeAll(async () => {
  // The counts of the process itself stand still: these tests run their own.
  api = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
});
afterAll(() => api.stop());

const event = (roomId: string, type: string, ms: number, data: object = {}): EventDraft =>
  draft({ roomId, type, ...at(ms), data: { roomId, ...data } });
const unwatched = (room: string, reason: string, ms: number, seenMs: number) =>
  event(room, 'monitor.unwatched', ms, { reason, lastSeenAt: iso(seenMs) });

/** Stores and counts each list of events in a step of its own, or all of them in one; the session afterwards. */
async function after(room: string, lists: readonly EventDraft[][], steps: 'apart' | 'together') {
  for (const list of steps === 'apart' ? lists : [lists.flat()]) {
    await api.commit(list);
    await new SessionsAggregate(api.pool).catchUp(new AbortController().signal);
  }
  return (await api.call<{ startedAt: string; endedAt: string | null }>('GET', `/v1/sessions/${room}`)).body;
}

describe.each(['apart', 'together'] as const)('the end of a session, its events counted %s', (steps) => {
  const name = (room: string) => `${room}${steps}`;

  it('is when its room was last known to be on air, with the reason why it is watched no more', async () => {
    const room = name('1');
    const session = await after(
      room,
      [
        [event(room, 'monitor.live', 0), event(room, 'monitor.connected', 1_000), event(room, 'tiktok.live.chat', HOUR)],
        [event(room, 'monitor.disconnected', HOUR + MINUTE), unwatched(room, 'paused', HOUR + MINUTE, HOUR)],
      ],
      steps,
    );
    expect(session).toMatchObject({ startedAt: iso(0), endedAt: iso(HOUR), endReason: 'paused' });
  });

  it('is taken back by a connection, and the session goes on from its start', async () => {
    const room = name('2');
    const session = await after(
      room,
      [
        [event(room, 'monitor.live', 0), unwatched(room, 'paused', HOUR, HOUR)],
        [
          event(room, 'monitor.connected', 2 * HOUR),
          event(room, 'monitor.gap', 2 * HOUR, { from: iso(HOUR), to: iso(2 * HOUR), reason: 'paused' }),
        ],
      ],
      steps,
    );
    expect(session).toMatchObject({ startedAt: iso(0), endedAt: null, endReason: null, gaps: 1, gapMs: HOUR });
  });

  it('is taken back by a later message of a worker that was only cut off, not by one of before', async () => {
    const [cutOff, late] = [name('3'), name('4')];
    const begin = (room: string) => [event(room, 'monitor.live', 0), unwatched(room, 'no-worker', HOUR, 50 * MINUTE)];
    expect(await after(cutOff, [begin(cutOff), [event(cutOff, 'tiktok.live.chat', HOUR + 1)]], steps)).toMatchObject({
      endedAt: null,
      endReason: null,
      lastEventAt: iso(HOUR + 1),
    });
    expect(await after(late, [begin(late), [event(late, 'tiktok.live.chat', 55 * MINUTE)]], steps)).toMatchObject({
      endedAt: iso(50 * MINUTE),
      endReason: 'no-worker',
    });
  });

  it('that was confirmed is not taken back by a message that comes late', async () => {
    const room = name('5');
    const session = await after(
      room,
      [
        [event(room, 'monitor.live', 0), event(room, 'monitor.offline', HOUR, { confirmedBy: 'streamEnd' })],
        [event(room, 'tiktok.live.chat', HOUR + MINUTE)],
      ],
      steps,
    );
    expect(session).toMatchObject({ endedAt: iso(HOUR), endReason: 'streamEnd' });
  });

  it('found days later is not days later, and its gap counts to the end alone', async () => {
    const room = name('6');
    const days = 72 * HOUR;
    const seen = { lastSeenAt: iso(HOUR) };
    const session = await after(
      room,
      [
        [event(room, 'monitor.live', 0), event(room, 'tiktok.live.chat', 50 * MINUTE), unwatched(room, 'removed', HOUR, 50 * MINUTE)],
        [event(room, 'monitor.gap', days, { from: iso(50 * MINUTE), to: iso(days), reason: 'paused', ...seen })],
        [event(room, 'monitor.offline', days, { confirmedBy: 'poll', ...seen })],
      ],
      steps,
    );
    expect(session).toMatchObject({ startedAt: iso(0), endedAt: iso(HOUR), endReason: 'poll', gaps: 1, gapMs: 10 * MINUTE });
  });

  it('whose times cannot be read is the time of the event', async () => {
    const room = name('7');
    const bad = { confirmedBy: 'poll', lastSeenAt: 'yesterday' };
    const session = await after(room, [[event(room, 'monitor.live', 0)], [event(room, 'monitor.offline', HOUR, bad)]], steps);
    expect(session).toMatchObject({ startedAt: iso(0), endedAt: iso(HOUR), endReason: 'poll' });
  });
});
