import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { hookEvents, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { migrate } from '../store/migrate.js';
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
