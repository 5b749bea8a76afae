import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hookEvents, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { ApiUnderTest, draft, webhooksAlone } from '../../testing/api-under-test.js';

interface Endpoint {
  id: string;
  room: string | null;
  user: string | null;
  q: string | null;
}

let api: ApiUnderTest;
let receiver: WebhookReceiver;

const create = async (path: string, more: object = {}) =>
  (await api.call<Endpoint>('POST', '/v1/webhooks', { body: { url: receiver.url(path), ...more } })).body;
const get = async (id: string) => (await api.call<Endpoint>('GET', `/v1/webhooks/${id}`)).body;
const idsAt = (path: string) => receiver.of(path).flatMap((hook) => hookEvents(hook).map(({ id }) => id));
const arrived = (path: string, count: number) => waitFor(() => idsAt(path).length >= count, { what: `${count} events at ${path}` });

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  api = await ApiUnderTest.start({ config: webhooksAlone() });
});
afterAll(async () => {
  await api.stop();
  await receiver.close();
});

describe('the filter of an endpoint', () => {
  it('gets by room, viewer and text what these words mean, live and from a position of the log, and a change of one keeps the others', async () => {
    const user = { id: '77', uniqueId: 'Wanted.One' };
    const events = [
      draft({ roomId: '901', receivedAt: Date.now(), data: { user, comment: 'Hello there' } }),
      draft({ roomId: '901', receivedAt: Date.now(), data: { user, comment: 'bye' } }),
      draft({ roomId: '902', receivedAt: Date.now(), data: { user, comment: 'hello again' } }),
      draft({ roomId: '901', receivedAt: Date.now(), data: { user: { id: '78', uniqueId: 'other' }, comment: 'hello' } }),
    ];
    const [hello, bye, again, other] = events.map(({ id }) => id);
    const { body: before } = await api.call<{ next: string }>('GET', '/v1/events?since=2999-01-01');
    const live = await create('/live-words', { room: '901', user: '@wanted.one', q: 'HELLO', ordered: true });
    await api.commit(events);
    await arrived('/live-words', 1);
    const late = await create('/late-words', { user: '77', ordered: true, cursor: before.next });
    await arrived('/late-words', 3);
    expect(idsAt('/late-words')).toEqual([hello, bye, again]);
    expect(idsAt('/live-words')).toEqual([hello]);
    expect(await get(live.id)).toMatchObject({ room: '901', user: 'wanted.one', q: 'HELLO', types: null, creators: null });
    const { body } = await api.call('PATCH', `/v1/webhooks/${live.id}`, { body: { user: null } });
    expect(body).toMatchObject({ room: '901', user: null, q: 'HELLO' });
    await api.call('POST', `/v1/webhooks/${live.id}/replay`, { body: { cursor: before.next } });
    await arrived('/live-words', 3);
    expect(idsAt('/live-words')).toEqual([hello, hello, other]);
    expect(late).toMatchObject({ room: null, user: '77', q: null });
  });

  it('is what its last change says, also for deliveries that wait: what it leaves out is not sent', async () => {
    receiver.answer(() => ({ status: 500 }));
    const { id } = await create('/narrowed', { types: ['tiktok.live.chat'], room: '903' });
    const events = ['wanted', 'other'].map((comment) => draft({ roomId: '903', receivedAt: Date.now(), data: { comment } }));
    await api.commit(events);
    await arrived('/narrowed', 2);
    await api.call('PATCH', `/v1/webhooks/${id}`, { body: { q: 'WANTED' } });
    receiver.hooks.length = 0;
    receiver.answer(() => undefined);
    const list = async () => (await api.call<{ data: { id: string; state: string }[] }>('GET', `/v1/webhooks/${id}/deliveries`)).body.data;
    for (const delivery of await list()) await api.call('POST', `/v1/webhooks/${id}/deliveries/${delivery.id}/retry`);
    await waitFor(async () => (await list()).every(({ state }) => state !== 'open'), { what: 'both to have ended' });
    expect((await list()).map(({ state }) => state).sort()).toEqual(['cancelled', 'delivered']);
    expect(idsAt('/narrowed')).toEqual([events[0]!.id]);
  });
});
