import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CreatorProjection, type CreatorStatus, emptyCounters, StatusStore, WorkerRegistry } from '@tributary/creators';
import { hashKey, KeyProjection } from '@tributary/runtime';
import { waitFor } from '@tributary/testing';
import { ApiUnderTest, draft, type ProblemBody } from '../testing/api-under-test.js';
import { lockTable } from '../testing/locked-table.js';

interface Creator {
  id: string;
  uniqueId: string;
  userId: string | null;
  paused: boolean;
  options: object;
  state: string | null;
  worker: string | null;
}
interface Batch {
  data: { index: number; result: string; id?: string; uniqueId?: string; reason?: string }[];
  created: number;
  exists: number;
  invalid: number;
}

describe('creators', () => {
  let api: ApiUnderTest;
  let board: StatusStore;
  let workers: WorkerRegistry;
  beforeAll(async () => {
    api = await ApiUnderTest.start();
    const place = { redis: api.redis, prefix: api.config.redisPrefix };
    board = new StatusStore(place);
    workers = new WorkerRegistry({ ...place, leaseTtlMs: api.config.leaseTtlMs });
  });
  afterAll(() => api.stop());
  beforeEach(async () => {
    await api.pool.query('update creators set deleted_at = now() where deleted_at is null');
  });

  const add = async (uniqueId: string) => (await api.call<Creator>('POST', '/v1/creators', { body: { uniqueId } })).body;

  const beat = (worker: string) =>
    workers.heartbeat({
      worker,
      capacity: 10,
      creators: 1,
      counters: { received: 0, decoded: 0, appended: 0, confirmed: 0 },
      startedAt: 1,
    });

  it('takes a creator in every form people paste, once', async () => {
    const forms = ['some.Creator', '@some.creator', ' https://www.tiktok.com/@some.creator/live?lang=en ', 'tiktok.com/@some.creator'];
    const answers = [];
    for (const uniqueId of forms) answers.push(await api.call<Creator>('POST', '/v1/creators', { body: { uniqueId } }));
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers[0]!.body).toMatchObject({
      uniqueId: 'some.creator',
      userId: null,
      paused: false,
      options: {},
      state: 'unknown',
      worker: null,
    });
    expect(answers[0]!.body.id).toMatch(/^cr_[0-9a-z]{18}$/);
  });

  it('names the field of a creator it cannot take', async () => {
    const cases: [unknown, string][] = [
      [{ uniqueId: 'https://example.com/@x' }, 'uniqueId'],
      [{ uniqueId: 'a' }, 'uniqueId'],
      [{ uniqueId: 7 }, 'uniqueId'],
      [{}, 'uniqueId'],
      [{ uniqueId: 'good', options: { raw: 'yes' } }, 'options.raw'],
      [{ uniqueId: 'good', options: { types: ['tiktok.live.chta'] } }, 'options.types'],
      [{ uniqueId: 'good', options: { sessionCookie: 'x' } }, 'options.sessionCookie'],
      [{ uniqueId: 'good', option: {} }, 'option'],
    ];
    for (const [body, field] of cases) {
      const answer = await api.call<ProblemBody>('POST', '/v1/creators', { body });
      expect({ body, status: answer.status, fields: [...new Set(answer.body.errors?.map((error) => error.field))] }).toEqual({
        body,
        status: 400,
        fields: [field],
      });
    }
    const broken = await fetch(`${api.url}/v1/creators`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.adminKey}`, 'content-type': 'application/json' },
      body: '{"uniqueId":',
    });
    expect({ status: broken.status, type: broken.headers.get('content-type') }).toEqual({
      status: 400,
      type: 'application/problem+json; charset=utf-8',
    });
  });

  it('answers a batch item by item, duplicates and bad names included', async () => {
    await add('there');
    const answer = await api.call<Batch>('POST', '/v1/creators/batch', {
      body: {
        creators: [
          '@new.one',
          'there',
          'NEW.one',
          { uniqueId: 'raw.one', options: { raw: true } },
          'not a name',
          { uniqueId: 'x', colour: 1 },
          5,
          null,
        ],
      },
    });
    expect(answer.status).toBe(200);
    expect(answer.body.data.map(({ result }) => result)).toEqual([
      'created',
      'exists',
      'exists',
      'created',
      'invalid',
      'invalid',
      'invalid',
      'invalid',
    ]);
    expect(answer.body).toMatchObject({ created: 2, exists: 2, invalid: 4 });
    expect(answer.body.data.filter(({ result }) => result === 'invalid').every(({ reason }) => reason)).toBe(true);
    expect((await api.call<Creator>('GET', '/v1/creators/raw.one')).body.options).toEqual({ raw: true });
  });

  it('adds 1,000 creators in one call, and refuses 1,001 by name of the field', async () => {
    const names = Array.from({ length: 1_001 }, (_, i) => `creator.${i}`);
    const refused = await api.call<ProblemBody>('POST', '/v1/creators/batch', { body: { creators: names } });
    expect({ status: refused.status, field: refused.body.errors?.[0]?.field }).toEqual({ status: 400, field: 'creators' });
    const answer = await api.call<Batch>('POST', '/v1/creators/batch', { body: { creators: names.slice(1) } });
    expect(answer.body.created).toBe(1_000);
    expect((await api.call<Batch>('POST', '/v1/creators/batch', { body: { creators: names.slice(1) } })).body.exists).toBe(1_000);
  });

  it('gives every creator once over its pages', async () => {
    const names = Array.from({ length: 25 }, (_, i) => `paged${i}`);
    await api.call('POST', '/v1/creators/batch', { body: { creators: names } });
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await api.call<{ data: Creator[]; next: string | null }>(
        'GET',
        `/v1/creators?limit=7${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...body.data.map(({ uniqueId }) => uniqueId));
      if (body.next === null) break;
      cursor = body.next;
    }
    expect(seen.sort()).toEqual(names.sort());
    expect((await api.call('GET', '/v1/creators?cursor=nonsense')).status).toBe(400);
  });

  it('shows what the worker says, and finds creators by state', async () => {
    const [one] = [await add('one'), await add('two')];
    await beat('w1');
    await board.publish(
      new Map([
        [
          one.id,
          { state: 'live', since: 1_700_000_000_000, worker: 'w1', roomId: '77', viewers: 12, userId: '9001', counters: emptyCounters() },
        ],
      ]),
    );
    const { body } = await api.call('GET', '/v1/creators/@one');
    expect(body).toMatchObject({ state: 'live', since: '2023-11-14T22:13:20.000Z', worker: 'w1', roomId: '77', viewers: 12 });
    const live = await api.call<{ data: Creator[]; next: null }>('GET', '/v1/creators?state=live');
    expect({ names: live.body.data.map(({ uniqueId }) => uniqueId), next: live.body.next }).toEqual({ names: ['one'], next: null });
    expect((await api.call<ProblemBody>('GET', '/v1/creators?state=dead')).body.errors?.[0]?.field).toBe('state');
  });

  it('shows no creator as received whose worker is dead or has stopped', async () => {
    const ids: string[] = [];
    for (const name of ['held', 'silent', 'gone', 'left', 'away']) ids.push((await add(name)).id);
    await Promise.all([beat('w-held'), beat('w-silent')]);
    // Silent for longer than its leases last, and not yet off the board.
    const hash = `${api.config.redisPrefix}:workers`;
    const entry = (await api.redis.hget(hash, 'w-silent'))!;
    const spokeAt = Date.now() - 1.5 * api.config.leaseTtlMs;
    await api.redis.hset(hash, 'w-silent', entry.replace(/^\d+/, String(spokeAt)));
    const reported = (over: Partial<CreatorStatus>): CreatorStatus => ({
      state: 'live',
      since: 1_000,
      roomId: '7',
      viewers: 3,
      counters: emptyCounters(),
      ...over,
    });
    const all = [{ worker: 'w-held' }, { worker: 'w-silent' }, { worker: 'w-gone' }, {}, { worker: 'w-gone', state: 'offline' as const }];
    await board.publish(new Map(all.map((over, i) => [ids[i]!, reported(over)])));
    const shown = await Promise.all(ids.map(async (id) => (await api.call('GET', `/v1/creators/${id}`)).body));
    const lost = { state: 'unknown', worker: null, viewers: null, lastError: { reason: 'worker-lost' } };
    expect(shown).toMatchObject([{ state: 'live', worker: 'w-held', viewers: 3, lastError: null }, lost, lost, lost, lost]);
    const live = await api.call<{ data: Creator[] }>('GET', '/v1/creators?state=live');
    expect(live.body.data.map(({ uniqueId }) => uniqueId)).toEqual(['held']);
    const status = await api.call<{ creators: { byState: Record<string, number> } }>('GET', '/v1/status');
    expect(status.body.creators.byState).toMatchObject({ live: 1, unknown: 4, offline: 0 });
  });

  it('says what is known of a creator and since when, and of no other stream than the one on air', async () => {
    const ids = new Map<string, string>();
    for (const name of ['on.air', 'ended', 'paused', 'resumed', 'unasked']) ids.set(name, (await add(name)).id);
    const id = (name: string) => ids.get(name)!;
    const started = Date.now() - 48 * 60_000;
    const connected = Date.now() - 5 * 60_000;
    const room = '7540589352666090247';
    const told = { creatorId: id('on.air'), handle: 'on.air', roomId: room, data: {} };
    await api.commit([
      draft({ ...told, type: 'monitor.live', time: started, receivedAt: started }),
      draft({ ...told, type: 'monitor.connected', time: connected, receivedAt: connected }),
    ]);
    await waitFor(async () => (await api.call('GET', `/v1/sessions/${room}`)).status === 200, { what: 'the session to be counted' });
    await beat('w1');
    const reported = (status: Partial<CreatorStatus>): CreatorStatus => ({
      state: 'offline',
      since: connected,
      worker: 'w1',
      counters: emptyCounters(),
      ...status,
    });
    const live = { roomId: room, title: 'one is live', viewers: 5, checked: { live: true, at: connected } };
    await board.publish(
      new Map([
        [id('on.air'), reported({ ...live, state: 'live' })],
        // As a worker of before leaves them: with the title of a stream that has ended.
        [id('ended'), reported({ roomId: '8', title: 'ended is live', viewers: 3, checked: { live: false, at: connected } })],
        [id('paused'), reported({ ...live, state: 'live' })],
        [id('resumed'), reported({ state: 'paused', worker: undefined, checked: { live: true, at: connected } })],
        [id('unasked'), reported({ state: 'unknown', lastError: { reason: 'poll-failed', message: 'no route', at: connected } })],
      ]),
    );
    const before = Date.now();
    await api.call('PATCH', `/v1/creators/${id('paused')}`, { body: { paused: true } });
    const show = async (name: string) => (await api.call<Creator & { since: string }>('GET', `/v1/creators/${name}`)).body;
    expect(await show('on.air')).toMatchObject({
      state: 'live',
      since: new Date(connected).toISOString(),
      liveSince: new Date(started).toISOString(),
      title: 'one is live',
      viewers: 5,
    });
    const none = { liveSince: null, title: null, viewers: null };
    expect(await show('ended')).toMatchObject({ ...none, state: 'offline', roomId: '8', lastKnown: { live: false } });
    const paused = await show('paused');
    expect(paused).toMatchObject({ ...none, state: 'paused', paused: true, lastKnown: { live: true }, lastError: null, worker: 'w1' });
    expect(Date.parse(paused.since)).toBeGreaterThanOrEqual(before - 1_000);
    expect(await show('resumed')).toMatchObject({ ...none, state: 'unknown', lastKnown: { live: true }, worker: null });
    expect(await show('unasked')).toMatchObject({
      ...none,
      state: 'unknown',
      lastKnown: null,
      worker: 'w1',
      lastError: { reason: 'poll-failed' },
    });
    const named = async (state: string) =>
      (await api.call<{ data: Creator[] }>('GET', `/v1/creators?state=${state}`)).body.data.map(({ uniqueId }) => uniqueId).sort();
    expect([await named('paused'), await named('unknown'), await named('live')]).toEqual([['paused'], ['resumed', 'unasked'], ['on.air']]);
    // Both are counted now and then.
    const counts = { live: 1, offline: 1, paused: 1, unknown: 2 };
    await waitFor(
      async () => {
        const status = await api.call<{ creators: { byState: Record<string, number> } }>('GET', '/v1/status');
        expect(status.body.creators.byState).toMatchObject(counts);
        const metrics = (await api.call<string>('GET', '/metrics')).body;
        for (const [state, n] of Object.entries(counts))
          expect(metrics).toMatch(new RegExp(`tributary_creators\\{[^}]*state="${state}"[^}]*\\} ${n}`));
        return true;
      },
      { what: 'the counts' },
    );
    // A pause of before this was recorded, and the end of one.
    await api.pool.query('update creators set paused_since = null where id = $1', [id('paused')]);
    expect((await show('paused')).since).not.toBeNull();
    await api.call('PATCH', `/v1/creators/${id('paused')}`, { body: { paused: false } });
    expect(await show('paused')).toMatchObject({ state: 'live', paused: false });
  });

  it('pauses, changes options and removes, by id or handle', async () => {
    const one = await add('one');
    expect((await api.call<Creator>('PATCH', `/v1/creators/${one.id}`, { body: { paused: true } })).body.paused).toBe(true);
    expect((await api.call<Creator>('PATCH', '/v1/creators/@ONE', { body: { options: { types: ['tiktok.live.*'] } } })).body).toMatchObject(
      {
        paused: true,
        options: { types: ['tiktok.live.*'] },
      },
    );
    expect((await api.call<ProblemBody>('PATCH', '/v1/creators/one', { body: {} })).status).toBe(400);
    expect((await api.call<ProblemBody>('PATCH', '/v1/creators/one', { body: { paused: null } })).body.errors?.[0]?.field).toBe('paused');
    expect((await api.call('DELETE', '/v1/creators/one')).status).toBe(204);
    expect((await api.call('DELETE', '/v1/creators/one')).status).toBe(404);
    expect((await api.call('GET', `/v1/creators/${one.id}`)).status).toBe(404);
    expect((await api.call('PATCH', '/v1/creators/nobody', { body: { paused: true } })).status).toBe(404);
  });

  it('brings a removed creator back under its old id', async () => {
    const before = await add('back.again');
    await api.call('DELETE', '/v1/creators/back.again');
    expect((await add('back.again')).id).toBe(before.id);
  });

  it('learns the user id from workers, and joins two entries of one account', async () => {
    const old = await add('old.name');
    const say = (id: string, userId: string) =>
      board.publish(new Map([[id, { state: 'offline', since: 1, userId, counters: emptyCounters() }]]));
    await say(old.id, '555');
    const find = async (ref: string) => (await api.call<Creator & { handles: { uniqueId: string }[] }>('GET', `/v1/creators/${ref}`)).body;
    await waitFor(async () => (await find(old.id)).userId === '555');

    const renamed = await add('new.name');
    await say(renamed.id, '555');
    const joined = await waitFor(async () => ((await find(old.id)).uniqueId === 'new.name' ? find(old.id) : undefined));
    expect(joined.handles.map(({ uniqueId }) => uniqueId).sort()).toEqual(['new.name', 'old.name']);
    expect((await find('new.name')).id).toBe(old.id);
  });

  it('copies every change to Redis, and all of it again after a wipe', async () => {
    const creators = new CreatorProjection({ redis: api.redis, prefix: api.config.redisPrefix });
    const keys = new KeyProjection(api.redis, api.config.redisPrefix);
    const names = async () => (await creators.read())?.creators.map(({ uniqueId }) => uniqueId).join();
    await add('projected');
    await waitFor(async () => (await names()) === 'projected');
    await api.call('PATCH', '/v1/creators/projected', { body: { paused: true } });
    await waitFor(async () => (await creators.read())?.creators[0]?.paused);

    await api.wipeRedis();
    await waitFor(async () => (await names()) === 'projected');
    await waitFor(async () => (await keys.lookup(hashKey(api.adminKey))).record);
  });

  it('tells workers after a wipe which creators the store knows as live, and since when nothing of them is stored', async () => {
    const creators = new CreatorProjection({ redis: api.redis, prefix: api.config.redisPrefix });
    const ids = new Map<string, string>();
    for (const name of ['seen.live', 'seen.ended', 'seen.never']) ids.set(name, (await add(name)).id);
    const second = Math.floor(Date.now() / 1000);
    const event = (name: string, type: string, at: number, n: number) => ({
      id: `${ids.get(name)}-${second}000000-${n}`,
      type,
      creatorId: ids.get(name)!,
      handle: name,
      roomId: `7${name.length}`,
      time: at,
      receivedAt: at,
      data: {},
    });
    const at = second * 1000;
    await api.commit([
      event('seen.live', 'monitor.live', at - 5_000, 1),
      event('seen.ended', 'monitor.live', at - 5_000, 1),
      event('seen.live', 'tiktok.live.chat', at - 1_000, 2),
      event('seen.ended', 'monitor.offline', at - 1_000, 2),
    ]);
    const seen = () => creators.lastSeen([...ids.values()]);
    await api.wipeRedis();
    await waitFor(async () => (await creators.version()) !== null);
    expect(await seen()).toEqual(new Map([[ids.get('seen.live'), { roomId: '79', at: at - 1_000 }]]));
    // Counted by then.
    await waitFor(
      async () => (await api.pool.query('select from sessions where creator_id = any($1)', [[...ids.values()]])).rowCount === 2,
    );
    await api.wipeRedis();
    await waitFor(async () => (await creators.version()) !== null);
    expect(await seen()).toEqual(new Map([[ids.get('seen.live'), { roomId: '79', at: at - 1_000 }]]));
    // Watched no more, its end not seen: whoever resumes it begins its gap at the last event of the room.
    await api.commit([
      {
        ...event('seen.live', 'monitor.unwatched', at + 60_000, 3),
        data: { reason: 'paused', lastSeenAt: new Date(at - 1_000).toISOString() },
      },
    ]);
    await waitFor(async () => (await api.pool.query('select from sessions where unwatched_at is not null')).rowCount === 1);
    await api.wipeRedis();
    await waitFor(async () => (await creators.version()) !== null);
    expect(await seen()).toEqual(new Map([[ids.get('seen.live'), { roomId: '79', at: at - 1_000 }]]));
    await creators.removeSeen([ids.get('seen.live')!]);
    expect((await seen()).size).toBe(0);

    // A wipe while the creators are read for a copy that there was no reason to take for a first one.
    const unlock = await lockTable(api.config.databaseUrl, 'creators');
    try {
      await api.pool.query(`update projection_versions set version = version + 1 where name = 'creators'`);
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%"changedAt"%'`;
      await waitFor(async () => (await api.pool.query(waiting)).rowCount === 1, { what: 'the creators to be read' });
      await api.wipeRedis();
    } finally {
      await unlock();
    }
    await waitFor(async () => (await creators.version()) !== null);
    expect(await seen()).toEqual(new Map([[ids.get('seen.live'), { roomId: '79', at: at - 1_000 }]]));
  });
});
