import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { hookEvents, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { removeRecordedBatches } from './pipeline/recorder.js';
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

const eventsAt = (path: string) => receiver.of(path).flatMap((hook) => hookEvents(hook));
const idsAt = (path: string) => eventsAt(path).map(({ id }) => id);

async function positionOf(id: string): Promise<number> {
  const { rows } = await fixture.pool.query<{ p: number }>('select position::float8 as p from webhook_cursors where id = $1', [id]);
  return rows[0]?.p ?? NaN;
}

/** What a replica that lacks the newest commits has, once it has taken over: the log up to `seq`, in another life of a server. */
async function failOverTo(seq: number): Promise<void> {
  await fixture.pool.query('delete from events where seq > $1', [seq]);
  await fixture.pool.query(`update log_head set seq = $1, life = 'the server that failed'`, [seq]);
}

const both = (count: number, more: Partial<EventDraft>) => Array.from({ length: count }, () => fixture.draft(more));

describe('a fail-over of PostgreSQL that loses the last commit', () => {
  it('costs no endpoint an event: the tail and every cursor check their positions again', async () => {
    const { id } = await fixture.endpoint({ url: receiver.url('/b'), filter: { creatorIds: ['cr_b'] } });
    const engine = await fixture.engine({ tickMs: 1_500, ttlMs: 10_000 });
    await fixture.claimAll(engine);
    await fixture.events(1, { creatorId: 'cr_b' });
    await waitFor(() => idsAt('/b').length === 1, { what: 'the first delivery' });
    await fixture.events(20, { creatorId: 'cr_a' });
    const safe = (await fixture.store.head()).seq;
    await waitFor(async () => (await positionOf(id)) === safe, { what: 'a pass of the tick' });
    // One more commit, which the server that fails acknowledges and the replica never gets.
    await fixture.events(5, { creatorId: 'cr_a' });
    await failOverTo(safe);
    const drafts = [...both(5, { creatorId: 'cr_a' }), ...both(3, { creatorId: 'cr_b' })];
    await fixture.commit(drafts);
    const later = await fixture.events(2, { creatorId: 'cr_b' });
    const wanted = [...drafts.filter(({ creatorId }) => creatorId === 'cr_b').map((draft) => draft.id), ...later];
    await waitFor(() => wanted.every((one) => idsAt('/b').includes(one)), { what: 'every matching event' });
    const { seq } = await fixture.store.head();
    await waitFor(async () => (await positionOf(id)) === seq, { what: 'the position to be at the head' });
    expect(idsAt('/b')).toHaveLength(1 + wanted.length);
  });

  it('sends no event that the filter leaves out: a retry never takes the numbers of a lost log for those of this one', async () => {
    let requests = 0;
    receiver.answer(() => (requests++ === 0 ? { delayMs: 1_500, status: 500 } : { status: 200 }));
    const { id } = await fixture.endpoint({ url: receiver.url('/only-b'), filter: { creatorIds: ['cr_b'] }, timeoutMs: 3_000 });
    const engine = await fixture.engine({ tickMs: 500, ttlMs: 10_000 });
    await fixture.claimAll(engine);
    await fixture.events(10, { creatorId: 'cr_a' });
    const safe = (await fixture.store.head()).seq;
    await waitFor(async () => (await positionOf(id)) === safe, { what: 'a pass of the tick' });
    await fixture.events(1, { creatorId: 'cr_b' });
    await waitFor(() => receiver.of('/only-b').length === 1, { what: 'it to be on the wire' });
    // The replica has neither the event nor its planned batch.
    await failOverTo(safe);
    await fixture.pool.query('delete from webhook_planned_batches');
    await fixture.pool.query('update webhook_cursors set position = $1', [safe]);
    // What is stored now has the numbers of what was lost.
    const secret = fixture.draft({
      creatorId: 'cr_a',
      data: { user: { id: '9', uniqueId: 'private' }, comment: 'for the owner of A alone' },
    });
    const own = fixture.draft({ creatorId: 'cr_b' });
    await fixture.commit([secret, own]);
    await waitFor(() => idsAt('/only-b').includes(own.id), { what: 'the event of its own' });
    const idle = () => engine.sends.inUse === 0 && engine.unrecorded === 0;
    await waitFor(idle, { what: 'the attempt on the wire to end and to be recorded' });
    await waitFor(async () => (await fixture.states(id)).open === undefined, { what: 'nothing to be open' });
    expect(eventsAt('/only-b').filter((event) => !String((event as { subject?: string }).subject).startsWith('cr_b'))).toEqual([]);
    expect(idsAt('/only-b')).not.toContain(secret.id);
  });

  it('leaves a delivery whose numbers name what the filter leaves out cancelled, never sent', async () => {
    const { id } = await fixture.endpoint({ url: receiver.url('/only-b'), filter: { creatorIds: ['cr_b'] } });
    await fixture.events(2, { creatorId: 'cr_a' });
    // As a version that knew no generations may have left it behind.
    await fixture.pool.query(
      `insert into webhook_deliveries (endpoint_id, id, seqs, seq, attempt) values ($1, 'dlv_old', array[2]::bigint[], 2, 1)`,
      [id],
    );
    const engine = await fixture.engine();
    await fixture.claimAll(engine);
    await waitFor(async () => (await fixture.states(id)).cancelled === 1, { what: 'the delivery to be cancelled' });
    expect(receiver.of('/only-b')).toEqual([]);
  });

  it('does not let a position pass the end of the log', async () => {
    const { id } = await fixture.endpoint({ url: receiver.url('/b'), filter: { creatorIds: ['cr_b'] } });
    const engine = await fixture.engine({ tickMs: 200, ttlMs: 10_000 });
    await fixture.claimAll(engine);
    await fixture.events(10, { creatorId: 'cr_a' });
    await waitFor(async () => (await positionOf(id)) === 10, { what: 'a pass of the tick' });
    await failOverTo(5);
    await fixture.commit([]);
    await waitFor(async () => (await positionOf(id)) === 5, { what: 'the position to be within the log' });
    const own = await fixture.events(1, { creatorId: 'cr_b' });
    await waitFor(() => idsAt('/b').includes(own[0] ?? ''), { what: 'what came after' });
  });
});

describe('a planned batch', () => {
  it('is kept while the database lacks a result that was written before a fail-over', async () => {
    const { id } = await fixture.endpoint({ url: receiver.url('/b') });
    const batch = { endpointId: id, id: 'dlv_1' };
    await fixture.pool.query(
      `insert into webhook_planned_batches (endpoint_id, id, deliveries) values ($1, 'dlv_1', '[["dlv_1",[1]],["dlv_2",[2]]]')`,
      [id],
    );
    const batches = async () => (await fixture.pool.query('select from webhook_planned_batches')).rowCount;
    const attempted = (delivery: string) =>
      fixture.pool.query('insert into webhook_deliveries (endpoint_id, id, seqs, seq, attempt) values ($1, $2, array[1]::bigint[], 1, 1)', [
        id,
        delivery,
      ]);
    await attempted('dlv_1');
    await removeRecordedBatches(fixture.pool, [batch]);
    expect(await batches()).toBe(1);
    await attempted('dlv_2');
    await removeRecordedBatches(fixture.pool, [batch]);
    expect(await batches()).toBe(0);
  });
});

describe('a start of the database server that lost nothing', () => {
  it('costs an endpoint nothing: each event once, results of attempts on the wire too', async () => {
    receiver.answer(() => ({ delayMs: 500, status: 200 }));
    const { id } = await fixture.endpoint({ url: receiver.url('/all') });
    const engine = await fixture.engine({ tickMs: 200, ttlMs: 10_000 });
    await fixture.claimAll(engine);
    const before = await fixture.events(3);
    await waitFor(() => receiver.of('/all').length === 3, { what: 'three on the wire' });
    await fixture.pool.query(`update log_head set life = 'the life before'`);
    const after = both(3, {});
    await fixture.commit(after);
    await waitFor(async () => (await fixture.states(id)).delivered === 6, { what: 'all to be delivered' });
    expect(idsAt('/all').toSorted()).toEqual([...before, ...after.map((draft) => draft.id)].toSorted());
  });
});
