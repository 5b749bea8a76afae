import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CreatorStatus, emptyCounters } from '@tributary/creators';
import type { EventDraft, UnwatchedReason } from '@tributary/events';
import { FeedWriter, LogKeys } from '@tributary/log';
import { waitFor } from '@tributary/testing';
import { CreatorStatuses, type HeldStatus } from '../../creators/creator-statuses.js';
import { ApiUnderTest, draft, snowflake } from '../../testing/api-under-test.js';
import { Committer } from '../writer/committer.js';
import { DayPartitions } from '../retention/days.js';
import { SystemEventWriter } from '../writer/system-event-writer.js';
import { SessionsAggregate } from './sessions-aggregate.js';
import { UnwatchedRooms } from './unwatched-rooms.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
const MINUTE = 60_000;

let api: ApiUnderTest;
beforeAll(async () => {
  // Neither counts nor looks by itself: these tests do.
  api = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
});
afterAll(() => api.stop());

let time: number;
let reported: Record<string, number>;
let statuses: Map<string, HeldStatus> | undefined;
let rooms: UnwatchedRooms;
beforeEach(async () => {
  await api.pool.query('delete from sessions');
  await forgetCreators();
  time = 0;
  reported = {};
  statuses = new Map();
  rooms = watcher();
});

function watcher(events: Pick<SystemEventWriter, 'commit'> = systemEvents()): UnwatchedRooms {
  return new UnwatchedRooms({
    pool: api.pool,
    events,
    statuses: (ids) => (statuses ? Promise.resolve(ids.map((id) => statuses?.get(id))) : Promise.reject(new Error('Redis is away'))),
    onUnwatched: (reason, count) => (reported[reason] = (reported[reason] ?? 0) + count),
    now: () => time,
  });
}

function systemEvents(): SystemEventWriter {
  const committer = new Committer(api.pool, new DayPartitions(api.pool));
  const feed = new FeedWriter(api.redis, new LogKeys(api.config.redisPrefix, api.config.partitions), 100);
  return new SystemEventWriter({ committer, feed, logger });
}

const count = () => new SessionsAggregate(api.pool).catchUp(new AbortController().signal);
const creator = async (uniqueId: string) => (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId } })).body.id;
const session = async (room: string) =>
  (await api.call<{ startedAt: string; endedAt: string | null; endReason: string | null }>('GET', `/v1/sessions/${room}`)).body;
const unwatchedEvents = async (room: string) =>
  (await api.call<{ data: { data: object; subject: string }[] }>('GET', `/v1/events?room=${room}&type=monitor.unwatched`)).body.data;
const says = (state: CreatorStatus['state'], roomId: string, isHeld = true): HeldStatus => ({
  isHeld,
  status: { state, since: 0, worker: 'w', roomId, counters: emptyCounters() },
});

/** A live room of a creator whose newest message came ten minutes ago. */
async function liveRoom(name: string): Promise<{ id: string; room: string; last: EventDraft }> {
  const id = await creator(name);
  const room = snowflake();
  const now = Date.now();
  const of = (type: string, ago: number) => {
    const ms = now - ago;
    return draft({ creatorId: id, handle: name, roomId: room, type, time: ms, receivedAt: ms, data: {} });
  };
  const last = of('tiktok.live.chat', 10 * MINUTE);
  await api.commit([of('monitor.live', 60 * MINUTE), of('monitor.connected', 60 * MINUTE), last]);
  await count();
  return { id, room, last };
}

/** Looks until what needs time has had it. */
async function look(ms = 3 * MINUTE): Promise<void> {
  await rooms.round();
  time += ms;
  await rooms.round();
  await count();
}

const forgetCreators = () => api.pool.query('delete from creator_handles; delete from creators');

/** The change of a creator, as if it had been made a minute ago. */
const aMinuteAgo = () => api.pool.query(`update creators set updated_at = now() - interval '1 minute'`);

describe('the session of a live room', () => {
  it.each<[string, UnwatchedReason, (id: string, room: string) => Promise<unknown> | void]>([
    [
      'whose creator was paused while its worker was down',
      'paused',
      (id) => api.call('PATCH', `/v1/creators/${id}`, { body: { paused: true } }),
    ],
    ['whose creator was removed while its worker was down', 'removed', (id) => api.call('DELETE', `/v1/creators/${id}`)],
    ['whose creator is not even known any more', 'removed', () => forgetCreators()],
    ['whose worker was killed and never replaced', 'no-worker', (id, room) => void statuses?.set(id, says('live', room, false))],
    ['of which no worker ever spoke', 'no-worker', () => undefined],
    [
      'whose creator was found offline by a worker that knew nothing of it',
      'end-missed',
      (id, room) => void statuses?.set(id, says('offline', room)),
    ],
    ['whose creator is in another room', 'end-missed', (id) => void statuses?.set(id, says('live', 'another'))],
  ])('%s ends when it was last received, with the reason', async (_, reason, happens) => {
    const { id, room, last } = await liveRoom('one');
    await happens(id, room);
    await aMinuteAgo();
    await look();
    const lastSeenAt = new Date(last.receivedAt).toISOString();
    expect(await session(room)).toMatchObject({ endedAt: lastSeenAt, endReason: reason });
    const [event, ...more] = await unwatchedEvents(room);
    expect(event).toMatchObject({ subject: id, data: { roomId: room, reason, lastSeenAt } });
    expect(more).toEqual([]);
    expect(reported).toEqual({ [reason]: 1 });
    await look();
    expect(reported).toEqual({ [reason]: 1 });
  });

  it('of an older version that stands open for weeks ends too', async () => {
    const { room } = await liveRoom('one');
    await api.pool.query(
      `update sessions set last_live_at = null, started_at = now() - interval '41 days', last_event_at = now() - interval '40 days'`,
    );
    await api.call('DELETE', '/v1/creators/one');
    await aMinuteAgo();
    await look();
    const { startedAt, endedAt, endReason } = await session(room);
    expect(endReason).toBe('removed');
    expect(Date.parse(endedAt!) - Date.parse(startedAt)).toBe(24 * 60 * MINUTE);
  });

  it('goes on while its worker lives, and until what workers say has stood for its time', async () => {
    const { id, room } = await liveRoom('one');
    statuses?.set(id, says('live', room));
    await look();
    expect((await session(room)).endedAt).toBeNull();
    // Lost for a moment, then back, then lost again.
    statuses?.delete(id);
    await look(MINUTE);
    statuses?.set(id, says('live', room));
    await look(MINUTE);
    statuses?.delete(id);
    await look(MINUTE);
    expect(await session(room)).toMatchObject({ endedAt: null });
    expect(reported).toEqual({});
  });

  it('is not judged while Redis does not answer', async () => {
    const { room } = await liveRoom('one');
    statuses = undefined;
    await expect(rooms.round()).rejects.toThrow('Redis is away');
    time += 60 * MINUTE;
    await expect(rooms.round()).rejects.toThrow('Redis is away');
    statuses = new Map();
    await rooms.round();
    await count();
    expect((await session(room)).endedAt).toBeNull();
  });

  it('goes on where something of it is stored between the look and the commit', async () => {
    const { id, room } = await liveRoom('one');
    const own = systemEvents();
    rooms = watcher({
      commit: async (eventsAt) => {
        const now = Date.now();
        await api.commit([draft({ creatorId: id, roomId: room, type: 'monitor.connected', time: now, receivedAt: now, data: {} })]);
        return own.commit(eventsAt);
      },
    });
    await look();
    expect(await session(room)).toMatchObject({ endedAt: null });
    expect(await unwatchedEvents(room)).toEqual([]);
  });

  it('is reported once by two processes that look at the same time', async () => {
    const { room } = await liveRoom('one');
    const other = watcher();
    await Promise.all([rooms.round(), other.round()]);
    time += 3 * MINUTE;
    await Promise.all([rooms.round(), other.round()]);
    await count();
    expect(await unwatchedEvents(room)).toHaveLength(1);
    expect((await session(room)).endReason).toBe('no-worker');
  });
});

it('a store that runs ends the session of a removed creator by itself', async () => {
  const store = await ApiUnderTest.start({ config: {} });
  try {
    const { body } = await store.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'gone' } });
    const room = snowflake();
    const ms = Date.now() - MINUTE;
    await store.commit([
      draft({ creatorId: body.id, handle: 'gone', roomId: room, type: 'monitor.live', time: ms, receivedAt: ms, data: {} }),
    ]);
    await store.call('DELETE', '/v1/creators/gone');
    await store.pool.query(`update creators set updated_at = now() - interval '1 minute'`);
    const of = new CreatorStatuses(store.redis, store.config);
    expect(await of.of([body.id])).toEqual([undefined]);
    await waitFor(async () => (await store.call<{ endReason?: string }>('GET', `/v1/sessions/${room}`)).body.endReason === 'removed', {
      what: 'the session to end',
    });
  } finally {
    await store.stop();
  }
});
