import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { ApiUnderTest, draft, webhooksAlone } from '../../testing/api-under-test.js';

interface Health {
  failingSince: string | null;
  lastFailureAt: string | null;
  lastFailure: { at: string; category: string | null; status: number | null } | null;
  recent: { delivered: number; failed: number; lastCategory: string | null };
}
interface Lag {
  events: number | null;
  more: boolean;
  positions: number;
  oldestAt: string | null;
}
interface Endpoint {
  id: string;
  lag: Lag;
  health: Health;
  backlog?: { events: number | null; more: boolean; oldestAt: string | null };
}

let api: ApiUnderTest;
let receiver: WebhookReceiver;

const create = async (path: string, more: object = {}) =>
  (await api.call<Endpoint>('POST', '/v1/webhooks', { body: { url: receiver.url(path), ...more } })).body.id;
/** An endpoint as the list, and as its own page shows it. */
const both = async (id: string) => {
  const { body: page } = await api.call<{ data: Endpoint[] }>('GET', '/v1/webhooks?limit=1000');
  const { body: detail } = await api.call<Endpoint>('GET', `/v1/webhooks/${id}`);
  return { listed: page.data.find((one) => one.id === id)!, detail };
};
const store = async (...events: Partial<EventDraft>[]) => {
  const drafts = events.map((over) => draft({ receivedAt: Date.now(), ...over }));
  await api.commit(drafts);
  return drafts;
};
const delivered = (id: string, count: number) =>
  waitFor(
    async () =>
      (await api.call<{ data: object[] }>('GET', `/v1/webhooks/${id}/deliveries?state=delivered&limit=200`)).body.data.length === count,
    { what: `${count} deliveries` },
  );

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  api = await ApiUnderTest.start({ config: webhooksAlone() });
});
afterAll(async () => {
  await api.stop();
  await receiver.close();
});
beforeEach(() => {
  receiver.answer(() => undefined);
  receiver.hooks.length = 0;
});

describe('the last failure of an endpoint', () => {
  it('is the same in the list and on its page, however many deliveries have succeeded since', async () => {
    const id = await create('/failed');
    await store({});
    await delivered(id, 1);
    const never = await both(id);
    for (const { health } of [never.listed, never.detail]) expect(health).toMatchObject({ lastFailureAt: null, lastFailure: null });

    receiver.answer(() => ({ status: 500 }));
    const began = Date.now();
    await store({});
    const failed = await waitFor(async () => ((await both(id)).detail.health.lastFailure ? both(id) : undefined), { what: 'the failure' });
    receiver.answer(() => undefined);
    const [open] = (await api.call<{ data: { id: string }[] }>('GET', `/v1/webhooks/${id}/deliveries?state=open`)).body.data;
    await api.call('POST', `/v1/webhooks/${id}/deliveries/${open!.id}/retry`);
    await delivered(id, 2);
    // More than the newest that are counted.
    await store(...Array.from({ length: 25 }, () => ({})));
    await delivered(id, 27);
    // What is known of an endpoint is written down a moment later: the two may be read before and after that.
    const after = await waitFor(
      async () => {
        const shown = await both(id);
        const { health } = shown.detail;
        return health.recent.failed === 0 && health.failingSince === null && isDeepStrictEqual(shown.listed.health, health)
          ? shown
          : undefined;
      },
      { what: 'the list and the page to say the same' },
    );
    for (const { health } of [failed.listed, failed.detail, after.listed, after.detail]) {
      expect(health.lastFailure).toEqual({ at: health.lastFailureAt, category: 'status', status: 500 });
      expect(Date.parse(health.lastFailure!.at)).toBeGreaterThanOrEqual(began);
    }
    expect(after.detail.health.recent).toEqual({ delivered: 20, failed: 0, lastCategory: null });
  });

  it('has no status where no answer came, and is no test', async () => {
    const id = await create('/reset');
    receiver.answer(() => ({ status: 500 }));
    await api.call('POST', `/v1/webhooks/${id}/test`);
    expect((await both(id)).listed.health.lastFailure).toBeNull();
    receiver.answer(() => ({ fault: 'reset' }));
    await store({});
    await waitFor(async () => (await both(id)).listed.health.lastFailure, { what: 'the failure' });
    const { listed, detail } = await both(id);
    for (const { health } of [listed, detail]) expect(health.lastFailure).toMatchObject({ category: 'reset', status: null });
  });
});

describe('what an endpoint is behind by', () => {
  it('counts the events that it wants, not those in between, in the list and on its page', async () => {
    const id = await create('/behind', { types: ['tiktok.live.gift', 'monitor.*'] });
    await api.call('POST', `/v1/webhooks/${id}/pause`);
    await store(...Array.from({ length: 7 }, () => ({})));
    const nothing = await both(id);
    expect(nothing.listed.lag).toMatchObject({ events: 0, more: false, oldestAt: null });
    expect(nothing.listed.lag.positions).toBeGreaterThanOrEqual(7);
    expect(nothing.detail).toMatchObject({ lag: { events: 0, more: false, oldestAt: null }, backlog: { events: 0, oldestAt: null } });

    const [first] = await store({ type: 'tiktok.live.gift' }, {}, { type: 'monitor.gap', roomId: '', data: { reason: 'x' } });
    // The page of an endpoint counts anew, and the list knows of that.
    const { body: detail } = await api.call<Endpoint>('GET', `/v1/webhooks/${id}`);
    const { listed } = await both(id);
    const since = new Date(first!.receivedAt).toISOString();
    for (const { lag } of [listed, detail]) expect(lag).toMatchObject({ events: 2, more: false, oldestAt: since });
    expect(detail.backlog).toMatchObject({ events: 2, more: false, oldestAt: since });
    await api.call('POST', `/v1/webhooks/${id}/resume`);
    await delivered(id, 2);
    const caught = await waitFor(async () => ((await both(id)).listed.lag.positions === 0 ? both(id) : undefined), {
      what: 'its position',
    });
    for (const { lag } of [caught.listed, caught.detail]) expect(lag).toMatchObject({ events: 0, oldestAt: null });
  });

  it('is a lower bound in the list beyond 1,000 events, and exact on its page', async () => {
    const id = await create('/far-behind', { types: ['tiktok.live.like'] });
    await api.call('POST', `/v1/webhooks/${id}/pause`);
    await store(...Array.from({ length: 1_001 }, () => ({ type: 'tiktok.live.like', data: { count: 1 } })));
    expect((await both(id)).listed.lag).toMatchObject({ events: 1_000, more: true });
    const { body: detail } = await api.call<Endpoint>('GET', `/v1/webhooks/${id}`);
    expect(detail.lag).toMatchObject({ events: 1_001, more: false });
  });
});
