import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { hookEvents, type ReceivedHook, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { ApiUnderTest, draft, type ProblemBody, webhooksAlone } from '../../testing/api-under-test.js';

interface Payload {
  contentType: string;
  bytes: number;
  body: string;
}
interface Delivery {
  id: string;
  state: string;
  kind: string;
  events: number;
  attempts: number;
  types: string[];
  creators: { id: string; uniqueId: string }[];
  firstEvent: { id: string; type: string; creator: string; position: string } | null;
  payload?: Payload | null;
  eventList?: { id: string }[];
}
interface Page {
  data: Delivery[];
  next: string | null;
}

let api: ApiUnderTest;
let receiver: WebhookReceiver;
let luna: string;
let other: string;

const create = async (path: string, more: object = {}, key = api.adminKey) => {
  const { status, body } = await api.call<{ id: string }>('POST', '/v1/webhooks', { body: { url: receiver.url(path), ...more }, key });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body.id;
};
const page = async (id: string, query = '', key = api.adminKey) =>
  (await api.call<Page>('GET', `/v1/webhooks/${id}/deliveries${query}`, { key })).body;
const list = async (id: string, query = '', key = api.adminKey) => (await page(id, query, key)).data;
const one = async (id: string, delivery: string, query = '', key = api.adminKey) =>
  (await api.call<Delivery>('GET', `/v1/webhooks/${id}/deliveries/${delivery}${query}`, { key })).body;
/** Stores one event for each of these, received now. */
const store = async (...events: Partial<EventDraft>[]) => {
  const drafts = events.map((over) => draft({ receivedAt: Date.now(), ...over }));
  await api.commit(drafts);
  return drafts.map(({ id }) => id);
};
/** Waits until the endpoint has this many deliveries, all of them ended. */
const ended = (id: string, count: number) =>
  waitFor(
    async () => {
      const all = await list(id, '?limit=200');
      return all.length === count && all.every(({ state }) => state !== 'open') ? all : undefined;
    },
    { what: `${count} deliveries to end` },
  );
const hookOf = (delivery: string) => receiver.hooks.find(({ headers }) => headers['webhook-id'] === delivery)!;
const sent = (hook: ReceivedHook): Payload => ({
  contentType: String(hook.headers['content-type']),
  bytes: Buffer.byteLength(hook.body),
  body: hook.body,
});

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  api = await ApiUnderTest.start({ config: webhooksAlone() });
  const add = async (uniqueId: string) => (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId } })).body.id;
  [luna, other] = [await add('luna'), await add('other')];
});
afterAll(async () => {
  await api.stop();
  await receiver.close();
});
beforeEach(() => {
  receiver.answer(() => undefined);
  receiver.hooks.length = 0;
});

describe('deliveries', () => {
  it('name the types, the creators and the first event of what they hold', async () => {
    const id = await create('/named', { batch: { maxEvents: 3, maxWaitMs: 60_000 } });
    const [first, , third] = await store(
      { creatorId: luna, handle: 'luna' },
      { creatorId: luna, handle: 'luna' },
      { creatorId: other, handle: 'other', type: 'tiktok.live.gift' },
    );
    const [delivery] = await ended(id, 1);
    const { body: event } = await api.call<{ position: string }>('GET', `/v1/events/${first}`);
    const named = {
      events: 3,
      types: ['tiktok.live.chat', 'tiktok.live.gift'],
      creators: [
        { id: luna, uniqueId: 'luna' },
        { id: other, uniqueId: 'other' },
      ],
      firstEvent: { id: first, type: 'tiktok.live.chat', creator: luna, position: event.position },
    };
    expect(delivery).toMatchObject(named);
    const detail = await one(id, delivery!.id);
    expect(detail).toMatchObject(named);
    expect(detail.eventList?.[2]?.id).toBe(third);
  });

  it('are found by type, creator and event, each of them and together, page by page', async () => {
    const since = new Date().toISOString();
    const id = await create('/found');
    const chats = await store(...Array.from({ length: 5 }, () => ({ creatorId: luna })));
    const gifts = await store(...Array.from({ length: 3 }, () => ({ creatorId: luna, type: 'tiktok.live.gift' })));
    const others = await store({ creatorId: other }, { creatorId: other, type: 'monitor.gap', roomId: '', data: { reason: 'x' } });
    await ended(id, 10);
    const found = async (query: string) => {
      const ids: string[] = [];
      for (let cursor = ''; ;) {
        const { data, next } = await page(id, `?limit=2&${query}${cursor}`);
        ids.push(...data.map(({ firstEvent }) => firstEvent!.id));
        if (next === null) return ids.toReversed();
        cursor = `&cursor=${next}`;
      }
    };
    const all = [...chats, ...gifts, ...others];
    expect(await found('')).toEqual(all);
    expect(await found('type=tiktok.live.gift')).toEqual(gifts);
    expect(await found('type=monitor.*,tiktok.live.gift')).toEqual([...gifts, others[1]]);
    expect(await found('type=*')).toEqual(all);
    expect(await found(`creator=${other}`)).toEqual(others);
    expect(await found('creator=luna&creator=other')).toEqual(all);
    expect(await found('creator=@other&type=tiktok.live.*')).toEqual([others[0]]);
    expect(await found(`event=${gifts[1]}`)).toEqual([gifts[1]]);
    expect(await found(`event=${gifts[1]}&type=tiktok.live.chat`)).toEqual([]);
    expect(await found('event=7540589352666090247-1')).toEqual([]);
    expect(await found('state=dead&type=*')).toEqual([]);
    const replayed = await api.call<{ id: string }>('POST', `/v1/webhooks/${id}/replay`, { body: { since, rateLimit: 1_000 } });
    await ended(id, 20);
    expect(await found(`event=${gifts[1]}`)).toEqual([gifts[1], gifts[1]]);
    expect(await found(`event=${gifts[1]}&replay=${replayed.body.id}`)).toEqual([gifts[1]]);
  });

  it.each([
    ['type=tiktok.live.nothing', 'type'],
    ['type=', 'type'],
    ['creator=nobody', 'creator'],
    ['creator=', 'creator'],
    ['event=', 'event'],
    ['payload=yes', 'payload'],
    ['types=monitor.*', 'types'],
  ])('refuse ?%s and name %s', async (query, field) => {
    const id = await create('/refusing');
    const { status, body } = await api.call<ProblemBody>('GET', `/v1/webhooks/${id}/deliveries?${query}`);
    expect([status, body.errors?.[0]?.field]).toEqual([400, field]);
  });
});

describe('the payload of a delivery', () => {
  it('is the body that was sent, byte by byte: of one event, of a batch, and of a replay', async () => {
    const since = new Date().toISOString();
    const [single, batch] = [await create('/single'), await create('/batch', { batch: { maxEvents: 2, maxWaitMs: 60_000 } })];
    await store({ data: { comment: 'é\u2028"\\/ 🎁', zebra: 1, a: 1e21 } }, { creatorId: luna });
    await Promise.all([ended(single, 2), ended(batch, 1)]);
    await api.call('POST', `/v1/webhooks/${batch}/replay`, { body: { since } });
    expect((await ended(batch, 2)).map(({ kind }) => kind)).toEqual(['replay', 'live']);
    for (const id of [single, batch]) {
      const deliveries = await list(id, '?payload=true');
      expect(deliveries).toHaveLength(2);
      for (const delivery of deliveries) {
        expect(delivery.payload).toEqual(sent(hookOf(delivery.id)));
        expect((await one(id, delivery.id, '?payload=true')).payload).toEqual(delivery.payload);
      }
    }
    expect((await list(single))[0]).not.toHaveProperty('payload');
    expect((await list(single, '?payload=false'))[0]).not.toHaveProperty('payload');
  });

  it('is, before its first attempt, the body that this attempt will have', async () => {
    receiver.answer(() => ({ delayMs: 2_000 }));
    const id = await create('/planned', { maxInFlight: 1 });
    await store({}, {}, {}, {});
    const waiting = await waitFor(
      async () => {
        const open = await list(id, '?payload=true&state=open');
        return open.length > 1 && receiver.of('/planned').length === 1 ? open : undefined;
      },
      { what: 'one request, and deliveries that wait for it' },
    );
    const begun = receiver.of('/planned')[0]!.headers['webhook-id'];
    receiver.answer(() => undefined);
    await ended(id, 4);
    const others = waiting.filter((delivery) => delivery.id !== begun);
    expect(others.length).toBeGreaterThan(0);
    for (const delivery of others) expect([delivery.attempts, delivery.payload]).toEqual([0, sent(hookOf(delivery.id))]);
  });

  it('is without what was erased, and null where nothing is left, for a test, and for the rows of both', async () => {
    const id = await create('/erased', { batch: { maxEvents: 2, maxWaitMs: 200 } });
    const [secret, plain] = await store({ data: { comment: 'mine', user: { id: '1', uniqueId: 'erased.viewer' } } }, {});
    await ended(id, 1);
    const [gone] = await store({ data: { comment: 'mine too', user: { id: '1', uniqueId: 'erased.viewer' } } });
    await ended(id, 2);
    await api.call('POST', `/v1/webhooks/${id}/test`);
    await api.pool.query('delete from events where id = any($1)', [[secret, gone]]);
    const [test, last, first] = await list(id, '?payload=true');
    expect(test).toMatchObject({ kind: 'test', payload: null, types: [], creators: [], firstEvent: null });
    expect(last).toMatchObject({ events: 1, payload: null, types: [], creators: [], firstEvent: null });
    expect(first).toMatchObject({ events: 2, firstEvent: { id: plain } });
    expect(hookEvents(first!.payload!).map((event) => event.id)).toEqual([plain]);
    const all = JSON.stringify([await list(id, '?payload=true'), await one(id, first!.id, '?payload=true')]);
    expect(all).not.toContain('erased.viewer');
    expect((await one(id, first!.id)).eventList?.map((event) => event.id)).toEqual([plain]);
    expect(await list(id, `?event=${gone}`)).toEqual([]);
  });

  it('ends the page when payloads take 4 MiB, and the next page goes on', async () => {
    const id = await create('/large');
    const comment = 'x'.repeat(1_048_576);
    const ids = await store(...Array.from({ length: 6 }, () => ({ data: { comment } })));
    await ended(id, 6);
    const pages: string[][] = [];
    for (let cursor = ''; ;) {
      const { data, next } = await page(id, `?payload=true&limit=50${cursor}`);
      expect(data.every(({ payload }) => payload!.body.includes(comment))).toBe(true);
      pages.push(data.map(({ firstEvent }) => firstEvent!.id));
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(pages.map(({ length }) => length)).toEqual([4, 2]);
    expect(pages.flat().toReversed()).toEqual(ids);
  });
});

describe('a key that is limited to creators', () => {
  it('sees of its deliveries the events of these creators alone: no type, creator, id or payload of another', async () => {
    const limited = await api.makeKey(['webhooks:write', 'read'], { creators: ['luna', 'other'] });
    const id = await create('/limited', { batch: { maxEvents: 2, maxWaitMs: 200 } }, limited.key);
    const [mine, theirs] = await store(
      { creatorId: luna, handle: 'luna' },
      { creatorId: other, handle: 'other', type: 'tiktok.live.gift' },
    );
    await ended(id, 1);
    const [alone] = await store({ creatorId: luna });
    await ended(id, 2);
    // Keys do not change by any route; whatever changes one, what is shown goes by it.
    const restrict = `update api_keys set restriction = jsonb_build_object('creators', jsonb_build_array($2::text)) where id = $1`;
    await api.pool.query(restrict, [limited.id, luna]);
    // A process reads the keys anew when one is made.
    await api.key('read');
    const [last, both] = await list(id, '?payload=true', limited.key);
    expect(last!.payload).toEqual(sent(hookOf(last!.id)));
    expect(both).toMatchObject({ types: ['tiktok.live.chat'], creators: [{ id: luna }], firstEvent: { id: mine }, payload: null });
    const detail = await one(id, both!.id, '?payload=true', limited.key);
    expect(detail).toMatchObject({ types: ['tiktok.live.chat'], payload: null });
    expect(detail.eventList?.map((event) => event.id)).toEqual([mine]);
    for (const query of [`?event=${theirs}`, '?type=tiktok.live.gift']) expect(await list(id, query, limited.key)).toEqual([]);
    expect((await list(id, `?event=${mine}`, limited.key)).map((delivery) => delivery.id)).toEqual([both!.id]);
    expect((await list(id, `?event=${alone}`, limited.key)).map((delivery) => delivery.id)).toEqual([last!.id]);
    const refused = await api.call<ProblemBody>('GET', `/v1/webhooks/${id}/deliveries?creator=other`, { key: limited.key });
    expect([refused.status, refused.body.errors?.[0]?.field]).toEqual([400, 'creator']);
    // The operator sees all of it.
    expect((await one(id, both!.id, '?payload=true')).payload).toEqual(sent(hookOf(both!.id)));
  });
});
