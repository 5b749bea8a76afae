import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hookEvents, type ReceivedHook, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { DeliveryStore } from '../webhooks/deliveries/delivery-store.js';
import { BATCH_CONTENT_TYPE, CONTENT_TYPE } from './request/content-types.js';
import { DeliveryFixture, quickPolicy } from './testing.js';

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

/** Data whose JSON a database writes otherwise than whoever sent it. */
const ODD = {
  zebra: 1,
  a: 1.5,
  tiny: 1e-7,
  huge: 1e21,
  wide: 2 ** 60,
  '10': 'ten',
  '9': 'nine',
  bb: { yy: [{ long: 'é\u2028"\\/', s: '🎁' }, null, true, 0], x: {} },
  ключ: 'ж',
  'a b': -0,
  user: { uniqueId: 'viewer', id: '1' },
  comment: 'hello',
};

const idOf = (hook: ReceivedHook) => String(hook.headers['webhook-id']);
/** The different bodies, with their content types, that came under each `webhook-id`. */
function bodies(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const hook of receiver.hooks) {
    const body = `${String(hook.headers['content-type'])} ${hook.body}`;
    found.set(idOf(hook), (found.get(idOf(hook)) ?? new Set()).add(body));
  }
  return found;
}
/** How often each `webhook-id` came with more than one body: must be empty. */
const changed = () => [...bodies()].filter(([, texts]) => texts.size > 1).map(([id, texts]) => ({ id, texts: [...texts] }));
const eventsOf = (hooks: readonly ReceivedHook[]) => hooks.flatMap((hook) => hookEvents(hook).map(({ id }) => id));

/** Fails every request until the given number of requests has come. */
function failUntil(requests: number): void {
  receiver.answer(() => (receiver.hooks.length <= requests ? { status: 500 } : undefined));
}
const manyTries = () => quickPolicy({ scheduleMs: [0, ...Array<number>(60).fill(80)] });

/** Changes settings of an endpoint, as the API does. */
async function change(id: string, set: string): Promise<void> {
  await fixture.pool.query(`update webhook_endpoints set ${set}, version = version + 1 where id = $1`, [id]);
}

describe('the body of a webhook-id', () => {
  it.each([undefined, { maxEvents: 3, maxWaitMs: 20 }])('is the same bytes in every attempt (batch: %j)', async (batch) => {
    failUntil(12);
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), ...(batch ? { batch } : {}) });
    await fixture.claimAll(await fixture.engine({ policy: manyTries() }));
    await fixture.events(3, { data: ODD });
    await fixture.events(3, {
      type: 'monitor.error',
      roomId: '',
      data: { message: 'x', reason: 'y', retryAt: '2026-11-22T10:00:00.000Z' },
    });
    await waitFor(async () => Object.keys(await fixture.states(id)).join() === 'delivered', {
      what: 'all to be delivered',
    });
    expect(receiver.hooks.length).toBeGreaterThan(12);
    expect(changed()).toEqual([]);
    const data = receiver.hooks
      .flatMap((hook) => hookEvents<{ id: string; type: string; data: object }>(hook))
      .find(({ type }) => type === 'tiktok.live.chat')!.data;
    expect(data).toEqual(JSON.parse(JSON.stringify(ODD)));
  });

  it('is the same whether its event came from memory or, far behind, from the database', async () => {
    await fixture.events(1, { data: ODD });
    const [live, late] = [await fixture.endpoint({ url: receiver.url('/live') }), await fixture.endpoint({ url: receiver.url('/late') })];
    const engine = await fixture.engine();
    await engine.wake(live.id);
    await fixture.events(1, { data: ODD });
    await waitFor(() => receiver.of('/live').length === 1, { what: 'the one from memory' });
    await engine.wake(late.id);
    await waitFor(() => receiver.of('/late').length === 1, { what: 'the one from the database' });
    expect(receiver.of('/late')[0]!.body).toBe(receiver.of('/live')[0]!.body);
  });

  it('stays an array, or one event, when the batch setting is changed between two attempts', async () => {
    let failing = true;
    receiver.answer(() => (failing ? { status: 500 } : undefined));
    const [one, many] = [
      await fixture.endpoint({ url: receiver.url('/one') }),
      await fixture.endpoint({ url: receiver.url('/many'), batch: { maxEvents: 1, maxWaitMs: 0 } }),
    ];
    await fixture.claimAll(await fixture.engine({ policy: manyTries() }));
    await fixture.events(1);
    await waitFor(() => receiver.of('/one').length > 1 && receiver.of('/many').length > 1, { what: 'first attempts' });
    await change(one.id, 'batch_events_max = 5, batch_wait_ms = 0');
    await change(many.id, 'batch_events_max = null, batch_wait_ms = null');
    const before = receiver.hooks.length;
    await waitFor(() => receiver.hooks.length > before + 8, { what: 'attempts with the new settings' });
    failing = false;
    for (const { id } of [one, many]) await waitFor(async () => (await fixture.states(id)).delivered === 1, { what: 'the end' });
    expect(changed()).toEqual([]);
    const types = (path: string) => new Set(receiver.of(path).map(({ headers }) => headers['content-type']));
    expect([types('/one'), types('/many')]).toEqual([new Set([CONTENT_TYPE]), new Set([BATCH_CONTENT_TYPE])]);
  });

  it.each([true, false])(
    'does not lose events when the filter is narrowed: what is still wanted goes on under another id (ordered: %s)',
    async (ordered) => {
      let failing = true;
      receiver.answer(() => (failing ? { status: 500 } : undefined));
      const { id } = await fixture.endpoint({ url: receiver.url('/x'), ordered, batch: { maxEvents: 4, maxWaitMs: 100 } });
      await fixture.claimAll(await fixture.engine({ policy: manyTries() }));
      const chats = await fixture.events(2);
      const gifts = await fixture.events(2, { type: 'tiktok.live.gift' });
      await waitFor(() => receiver.hooks.length > 1, { what: 'an attempt' });
      const old = new Set(receiver.hooks.map(idOf));
      await change(id, `filter = '{"types":["tiktok.live.gift"]}'`);
      await waitFor(() => receiver.hooks.some((hook) => !old.has(idOf(hook))), { what: 'another id' });
      const later = await fixture.events(2, { type: 'tiktok.live.gift' });
      failing = false;
      await waitFor(async () => ((await fixture.states(id)).open ?? 0) === 0 && eventsOf(receiver.hooks).includes(later[1]!), {
        what: 'the end',
      });
      expect(changed()).toEqual([]);
      const renamed = receiver.hooks.filter((hook) => !old.has(idOf(hook)));
      expect(eventsOf(renamed).some((event) => chats.includes(event))).toBe(false);
      const first = eventsOf(renamed.slice(0, 1));
      expect(first).toEqual(gifts);
      if (ordered) expect([...new Set(eventsOf(renamed))]).toEqual([...gifts, ...later]);
      expect((await fixture.states(id)).cancelled).toBe(old.size);
      const { rows } = await fixture.pool.query(`select from webhook_planned_batches where endpoint_id = $1`, [id]);
      await waitFor(
        async () =>
          rows.length === 0 ||
          (await fixture.pool.query(`select from webhook_planned_batches where endpoint_id = $1`, [id])).rowCount === 0,
        {
          what: 'its plan to be removed',
        },
      );
    },
  );

  it('keeps to what was sent first when the filter is widened again', async () => {
    let failing = true;
    receiver.answer(() => (failing ? { status: 500 } : undefined));
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), batch: { maxEvents: 4, maxWaitMs: 300 } });
    await fixture.claimAll(await fixture.engine({ policy: manyTries() }));
    await fixture.events(1);
    const gifts = await fixture.events(1, { type: 'tiktok.live.gift' });
    // Planned with both, or about to be: sent with gifts alone.
    await change(id, `filter = '{"types":["tiktok.live.gift"]}'`);
    await waitFor(() => receiver.hooks.length > 1, { what: 'an attempt' });
    await change(id, `filter = '{}'`);
    const before = receiver.hooks.length;
    await waitFor(() => receiver.hooks.length > before + 3, { what: 'attempts with the wide filter' });
    failing = false;
    await waitFor(async () => ((await fixture.states(id)).open ?? 0) === 0, { what: 'the end' });
    expect(changed()).toEqual([]);
    expect(eventsOf(receiver.hooks)).toEqual(expect.arrayContaining(gifts));
  });

  it('is the same when it was given up and is retried by hand, also by another process', async () => {
    receiver.answer(() => ({ status: 500 }));
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), batch: { maxEvents: 2, maxWaitMs: 50 } });
    const engine = await fixture.engine();
    await fixture.claimAll(engine);
    await fixture.events(2, { data: ODD });
    await waitFor(async () => (await fixture.states(id)).dead === 1, { what: 'the end of its tries' });
    await engine.stop();
    await change(id, 'batch_events_max = null, batch_wait_ms = null');
    receiver.answer(() => undefined);
    await new DeliveryStore(fixture.pool).retryDead(id, {}, 10);
    await fixture.claimAll(await fixture.engine());
    await waitFor(async () => (await fixture.states(id)).delivered === 1, { what: 'its delivery' });
    expect(bodies().size).toBe(1);
    expect(changed()).toEqual([]);
  });
});
