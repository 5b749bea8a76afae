import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { hookEvents, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { migrate } from '../store/schema/migrate.js';
import { schemaBefore } from '../testing/schema-before.js';
import { DeliveryFixture } from './testing.js';

let fixture: DeliveryFixture;
let receiver: WebhookReceiver;
beforeEach(async () => {
  fixture = await DeliveryFixture.start();
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  await fixture.stop();
  await receiver.close();
});

it('endpoints of the version before keep what they want: creators, types, both, or everything', async () => {
  const wants: [string, Record<string, unknown>, { creatorIds?: string[]; types?: string[] }][] = [
    ['/all', { creator_ids: null, types: null }, {}],
    ['/creators', { creator_ids: ['cr_b', 'cr_c'], types: null }, { creatorIds: ['cr_b', 'cr_c'] }],
    ['/types', { creator_ids: null, types: ['tiktok.live.g*', 'monitor.gap'] }, { types: ['tiktok.live.g*', 'monitor.gap'] }],
    ['/both', { creator_ids: ['cr_b'], types: ['tiktok.live.gift'] }, { creatorIds: ['cr_b'], types: ['tiktok.live.gift'] }],
  ];
  const ids = await Promise.all(wants.map(async ([path]) => (await fixture.endpoint({ url: receiver.url(path) })).id));
  const later = await fixture.endpoint({ url: receiver.url('/later'), filter: { q: 'hello', types: ['tiktok.live.chat'] } });
  await schemaBefore(fixture.url, '0014_endpoint_filters');
  const { rows: down } = await fixture.pool.query('select types, state from webhook_endpoints where id = $1', [later.id]);
  expect(down).toEqual([{ types: ['tiktok.live.chat'], state: 'disabled' }]);
  for (const [i, [, columns]] of wants.entries()) {
    const set = 'update webhook_endpoints set creator_ids = $2, types = $3 where id = $1';
    await fixture.pool.query(set, [ids[i], columns.creator_ids, columns.types]);
  }

  expect(await migrate(fixture.url)).toContain('0014_endpoint_filters');
  const { rows } = await fixture.pool.query<{ id: string; filter: object }>('select id, filter from webhook_endpoints');
  expect(wants.map((_, i) => rows.find(({ id }) => id === ids[i])?.filter)).toEqual(wants.map(([, , filter]) => filter));
  await fixture.claimAll(await fixture.engine());
  const sent = [];
  for (const creatorId of ['cr_a', 'cr_b'])
    for (const type of ['tiktok.live.chat', 'tiktok.live.gift']) sent.push(...(await fixture.events(1, { creatorId, type })));
  const [, giftOfA, chatOfB, giftOfB] = sent;
  const expected = { '/all': sent, '/creators': [chatOfB, giftOfB], '/types': [giftOfA, giftOfB], '/both': [giftOfB] };
  const arrived = () =>
    Object.fromEntries(
      wants.map(([path]) => [
        path,
        receiver
          .of(path)
          .flatMap((hook) => hookEvents(hook).map(({ id }) => id))
          .sort(),
      ]),
    );
  await waitFor(() => Object.values(arrived()).flat().length >= 9, { what: 'every delivery' });
  expect(arrived()).toEqual(Object.fromEntries(Object.entries(expected).map(([path, events]) => [path, [...events].sort()])));
});

it('a database of the version before goes on: open deliveries, planned batches, a replay and events about endpoints are all taken up', async () => {
  const ids = await fixture.events(6);
  const { id } = await fixture.endpoint({ url: receiver.url('/x') }, 6);
  // Before the tables of delivery got the names that they have now.
  await schemaBefore(fixture.url, '0009_delivery_names');
  const sql = (text: string, ...values: unknown[]) => fixture.pool.query(text, values);
  // As the version before leaves it when it is killed: one delivery that failed once, a batch of two that had no attempt, and a replay
  // of the last three events, of which one is planned.
  await sql(`insert into webhook_deliveries (endpoint_id, id, seqs, seq, attempt) values ($1, 'dlv_1', array[1]::bigint[], 1, 1)`, id);
  await sql(`insert into webhook_cuts (endpoint_id, id, deliveries) values ($1, 'dlv_2', '[["dlv_2",[2]],["dlv_3",[3]]]')`, id);
  await sql(`insert into webhook_replays (id, endpoint_id, after_seq, to_seq, rate_per_second) values ('rp_1', $1, 3, 6, 100)`, id);
  await sql(`insert into webhook_readers (id, endpoint_id, position) values ('rp_1', $1, 4)`, id);
  await sql(`insert into webhook_cuts (endpoint_id, id, replay_id, deliveries) values ($1, 'dlv_4', 'rp_1', '[["dlv_4",[4]]]')`, id);
  await sql(`insert into webhook_notices (endpoint_id, data) values ($1, '{"reason":"spec"}')`, id);

  await migrate(fixture.url);
  await fixture.claimAll(await fixture.engine());

  const arrived = () => receiver.of('/x').flatMap((hook) => hookEvents(hook).map((event) => event.id));
  await waitFor(() => arrived().length === 6, { what: 'every delivery' });
  expect(arrived().sort()).toEqual([...ids].sort());
  const deliveryOf = new Map(receiver.of('/x').map((hook) => [hookEvents(hook)[0]?.id, hook.headers['webhook-id']]));
  expect(ids.slice(0, 4).map((event) => deliveryOf.get(event))).toEqual(['dlv_1', 'dlv_2', 'dlv_3', 'dlv_4']);
  await waitFor(async () => (await sql('select state from webhook_replays')).rows[0]?.state === 'done', { what: 'the end of the replay' });
  expect((await sql('select data from webhook_event_outbox')).rows).toEqual([{ data: { reason: 'spec' } }]);
});
