import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hookEvents, type ReceivedHook, startWebhookReceiver, verifyHook, waitFor, type WebhookReceiver } from '@tributary/testing';
import { BATCH_CONTENT_TYPE, CONTENT_TYPE } from './request/content-types.js';
import { quickPolicy, DeliveryFixture } from './testing.js';

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

const idsOf = (hooks: readonly ReceivedHook[]) => hooks.flatMap((hook) => hookEvents(hook).map(({ id }) => id));
const arrived = (path: string, count: number) =>
  waitFor(() => idsOf(receiver.of(path)).length >= count, { what: `${count} events at ${path}` });

describe('delivering', () => {
  it('sends each matching event as a signed CloudEvent, and nothing else', async () => {
    const all = await fixture.endpoint({ url: receiver.url('/all'), headers: { 'x-token': 'abc' } });
    await fixture.endpoint({ url: receiver.url('/some'), filter: { creatorIds: ['cr_b'], types: ['tiktok.live.g*'] } });
    await fixture.claimAll(await fixture.engine());
    const chats = await fixture.events(3);
    const gifts = await fixture.events(2, { creatorId: 'cr_b', type: 'tiktok.live.gift' });
    await fixture.events(2, { creatorId: 'cr_b' });
    await arrived('/all', 7);
    await arrived('/some', 2);
    expect(idsOf(receiver.of('/all')).slice(0, 3).sort()).toEqual([...chats].sort());
    expect(idsOf(receiver.of('/some')).sort()).toEqual([...gifts].sort());
    const [hook] = receiver.of('/all');
    expect(hook!.headers).toMatchObject({ 'content-type': CONTENT_TYPE, 'x-token': 'abc', 'user-agent': 'Tributary-Webhooks/1' });
    expect(verifyHook(hook!, all.secret)).toBe(true);
    expect(hookEvents(hook!)[0]).toMatchObject({
      specversion: '1.0',
      id: expect.any(String),
      subject: 'cr_a',
      position: expect.any(String),
    });
    await waitFor(async () => (await fixture.states(all.id)).delivered === 7, { what: 'results to be written down' });
  });

  it('starts where the endpoint stands, however far behind, without loss or repetition', async () => {
    const before = await fixture.events(700);
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), ordered: true }, 0);
    await fixture.claimAll(await fixture.engine());
    const during: string[] = [];
    for (let i = 0; i < 10; i++) during.push(...(await fixture.events(30)));
    await arrived('/x', 1_000);
    expect(idsOf(receiver.of('/x'))).toEqual([...before, ...during]);
    await waitFor(async () => (await fixture.states(id)).delivered === 1_000, { what: 'results' });
  });

  it('keeps the order of an ordered endpoint, one request at a time, over failures', async () => {
    let onWire = 0;
    let most = 0;
    const tries = new Map<string, number>();
    receiver.answer((hook) => {
      const id = String(hook.headers['webhook-id']);
      tries.set(id, (tries.get(id) ?? 0) + 1);
      onWire += 1;
      most = Math.max(most, onWire);
      setTimeout(() => (onWire -= 1), 1);
      return tries.get(id)! < 3 && tries.size % 5 === 0 ? { status: 500 } : { delayMs: 2 };
    });
    await fixture.endpoint({ url: receiver.url('/x'), ordered: true });
    await fixture.claimAll(await fixture.engine());
    const ids = await fixture.events(40);
    await waitFor(() => new Set(idsOf(receiver.of('/x'))).size === 40, { what: 'all events' });
    const first = [...new Set(idsOf(receiver.of('/x')))];
    expect(first).toEqual(ids);
    expect(most).toBe(1);
  });

  it('has no more on the wire than a parallel endpoint allows', async () => {
    let onWire = 0;
    let most = 0;
    receiver.answer(() => {
      most = Math.max(most, ++onWire);
      setTimeout(() => (onWire -= 1), 15);
      return { delayMs: 20 };
    });
    await fixture.endpoint({ url: receiver.url('/x'), maxInFlight: 7 });
    await fixture.claimAll(await fixture.engine());
    await fixture.events(100);
    await arrived('/x', 100);
    expect(most).toBe(7);
  });

  it('gathers events into batches, full ones at once and others when their time has come', async () => {
    const { secret } = await fixture.endpoint({ url: receiver.url('/x'), ordered: true, batch: { maxEvents: 50, maxWaitMs: 150 } });
    await fixture.claimAll(await fixture.engine());
    const ids = await fixture.events(120);
    const began = Date.now();
    await arrived('/x', 120);
    const hooks = receiver.of('/x');
    expect(hooks.map((hook) => hookEvents(hook).length)).toEqual([50, 50, 20]);
    expect(idsOf(hooks)).toEqual(ids);
    expect(hooks[2]!.at - began).toBeGreaterThanOrEqual(100);
    expect(hooks.every((hook) => hook.headers['content-type'] === BATCH_CONTENT_TYPE && verifyHook(hook, secret))).toBe(true);
  });

  it('tries again under the same id, signed anew, until it gives up; then an ordered endpoint goes on', async () => {
    const [bad] = [{ n: 0 }];
    receiver.answer((hook) => (hookEvents<{ data: { bad?: boolean } }>(hook)[0]!.data.bad ? (bad.n++, { status: 500 }) : undefined));
    const { id, secret } = await fixture.endpoint({ url: receiver.url('/x'), ordered: true });
    await fixture.claimAll(await fixture.engine());
    const [poison] = await fixture.events(1, { data: { bad: true } });
    const good = await fixture.events(2);
    await waitFor(async () => (await fixture.states(id)).delivered === 2, { what: 'the good ones' });
    expect(await fixture.states(id)).toEqual({ dead: 1, delivered: 2 });
    const tries = receiver.of('/x').filter((hook) => idsOf([hook])[0] === poison);
    expect(tries).toHaveLength(4);
    expect(new Set(tries.map((hook) => hook.headers['webhook-id'])).size).toBe(1);
    expect(tries.every((hook) => verifyHook(hook, secret))).toBe(true);
    expect(idsOf(receiver.of('/x')).slice(4)).toEqual(good);
    const { rows } = await fixture.pool.query<{ attempts: string[] }>(
      `select attempts from webhook_deliveries where endpoint_id = $1 and state = 'dead'`,
      [id],
    );
    expect(rows[0]!.attempts.map((attempt) => (JSON.parse(attempt) as { status: number }).status)).toEqual([500, 500, 500, 500]);
  });

  it('lets other deliveries of a parallel endpoint pass one that fails', async () => {
    receiver.answer((hook) => (hookEvents<{ data: { bad?: boolean } }>(hook)[0]!.data.bad ? { status: 500 } : undefined));
    const { id } = await fixture.endpoint({ url: receiver.url('/x') });
    await fixture.claimAll(await fixture.engine({ policy: quickPolicy({ scheduleMs: [0, 3_600_000] }) }));
    await fixture.events(1, { data: { bad: true } });
    await fixture.events(20);
    await waitFor(async () => (await fixture.states(id)).delivered === 20, { what: 'the good ones' });
    expect(await fixture.states(id)).toEqual({ open: 1, delivered: 20 });
  });

  it('stops planning for a parallel endpoint at 1,000 deliveries that wait for another attempt', async () => {
    receiver.answer(() => ({ status: 500 }));
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), maxInFlight: 100 });
    await fixture.claimAll(await fixture.engine({ policy: quickPolicy({ scheduleMs: [0, 3_600_000] }) }));
    for (let i = 0; i < 6; i++) await fixture.events(400);
    await waitFor(() => receiver.hooks.length >= 1_000, { what: '1,000 attempts' });
    await fixture.events(400);
    await waitFor(async () => (await fixture.states(id)).open === 1_000, { what: 'all to be written' });
    expect(receiver.hooks).toHaveLength(1_000);
  });

  it('lets the position pass what does not match', async () => {
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), filter: { creatorIds: ['cr_other'] } });
    await fixture.claimAll(await fixture.engine());
    await fixture.events(50);
    const position = async () =>
      (await fixture.pool.query<{ p: number }>('select position::float8 as p from webhook_cursors where id = $1', [id])).rows[0]!.p;
    await waitFor(async () => (await position()) === 50, { what: 'the position to pass' });
    expect(receiver.hooks).toHaveLength(0);
  });

  it('omits events that were erased meanwhile, and ends a delivery that has none left', async () => {
    let failing = true;
    receiver.answer(() => (failing ? { status: 500 } : undefined));
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), ordered: true, batch: { maxEvents: 2, maxWaitMs: 0 } });
    await fixture.claimAll(await fixture.engine({ policy: quickPolicy({ scheduleMs: [0, ...Array<number>(50).fill(100)] }) }));
    const ids = await fixture.events(4);
    await waitFor(() => receiver.hooks.length > 0, { what: 'a first attempt' });
    await fixture.pool.query('delete from events where id = any($1)', [[ids[0], ids[2], ids[3]]]);
    failing = false;
    await waitFor(async () => (await fixture.states(id)).erased === 1, { what: 'the end' });
    expect(await fixture.states(id)).toEqual({ delivered: 1, erased: 1 });
    expect(idsOf(receiver.hooks.slice(-1))).toEqual([ids[1]]);
  });
});
