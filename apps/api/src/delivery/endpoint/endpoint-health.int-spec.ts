import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hookEvents, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { LiveHub } from '../../live/hub/hub.js';
import { DeliveryFixture, quickPolicy, silent } from '../testing.js';

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

const idsAt = (path: string) => receiver.of(path).flatMap((hook) => hookEvents(hook).map(({ id }) => id));
const arrived = (path: string, count: number, timeoutMs = 40_000) =>
  waitFor(() => new Set(idsAt(path)).size >= count, { what: `${count} events at ${path}`, timeoutMs });
const row = async (id: string) => {
  const { rows } = await fixture.pool.query<{ state: string; reason: string | null; failing: Date | null }>(
    'select e.state, e.reason, r.failing_since as failing from webhook_endpoints e join webhook_cursors r on r.id = e.id where e.id = $1',
    [id],
  );
  return rows[0]!;
};

describe('an endpoint', () => {
  it('gets no more deliveries a second than its rate limit', async () => {
    await fixture.endpoint({ url: receiver.url('/x'), ratePerSecond: 20 });
    await fixture.claimAll(await fixture.engine());
    await fixture.events(50);
    await arrived('/x', 50);
    const times = receiver.of('/x').map(({ at }) => at);
    // 20 at once, the rest 50 ms apart.
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(1_300);
  });

  it('is left alone for as long as its Retry-After says, whatever waits', async () => {
    let throttling = true;
    receiver.answer(() => (throttling ? { status: 429, headers: { 'retry-after': '1' } } : undefined));
    await fixture.endpoint({ url: receiver.url('/x'), ordered: true });
    await fixture.claimAll(await fixture.engine());
    await fixture.events(20);
    await arrived('/x', 1);
    throttling = false;
    await arrived('/x', 20);
    const times = receiver.of('/x').map(({ at }) => at);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(950);
    expect(receiver.of('/x')).toHaveLength(21);
  });

  it('that is throttled without a time is asked ever less often', async () => {
    receiver.answer(() => ({ status: 502 }));
    await fixture.endpoint({ url: receiver.url('/x') });
    await fixture.claimAll(await fixture.engine({ policy: quickPolicy({ scheduleMs: [0, ...Array<number>(50).fill(1)] }) }));
    await fixture.events(1);
    await waitFor(() => receiver.hooks.length >= 5, { what: 'five attempts' });
    const times = receiver.hooks.map(({ at }) => at);
    const waits = times.slice(1, 5).map((at, i) => at - times[i]!);
    // 100, 200, 400 and again 400 ms.
    expect(waits[1]!).toBeGreaterThanOrEqual(190);
    expect(waits[2]!).toBeGreaterThanOrEqual(390);
  });

  it('is disabled after it has only failed for long, and one success clears the clock', async () => {
    let failing = true;
    receiver.answer(() => (failing ? { status: 500 } : undefined));
    const policy = quickPolicy({ scheduleMs: [0, ...Array<number>(100).fill(100)], disableAfterMs: 1_500 });
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), ordered: true });
    await fixture.claimAll(await fixture.engine({ policy }));
    await fixture.events(1);
    await waitFor(async () => (await row(id)).failing, { what: 'the clock' });
    failing = false;
    await waitFor(async () => (await row(id)).failing === null, { what: 'the clock to be cleared' });
    expect((await row(id)).state).toBe('enabled');
    failing = true;
    await fixture.events(1);
    await waitFor(async () => (await row(id)).state === 'disabled', { what: 'the end' });
    expect((await row(id)).reason).toBe('failing');
    const { rows } = await fixture.pool.query<{ data: { reason: string } }>(
      'select data from webhook_event_outbox where endpoint_id = $1',
      [id],
    );
    expect(rows).toMatchObject([{ data: { reason: 'failing', endpoint: id } }]);
  });

  it('keeps its last failure, with the reason, over successes and over the process that saw it', async () => {
    receiver.answer(() => (receiver.hooks.length === 1 ? { status: 507 } : undefined));
    const { id } = await fixture.endpoint({ url: receiver.url('/x') });
    const first = await fixture.engine();
    await fixture.claimAll(first);
    await fixture.events(1);
    await arrived('/x', 1);
    await waitFor(async () => (await fixture.states(id)).delivered === 1, { what: 'the delivery' });
    await first.stop();
    const failure = async () =>
      (
        await fixture.pool.query<{ at: Date; category: string; status: number }>(
          'select failed_at as at, failed_category as category, failed_status as status from webhook_cursors where id = $1',
          [id],
        )
      ).rows[0];
    const before = await failure();
    expect(before).toEqual({ at: expect.any(Date), category: 'status', status: 507 });
    const second = await fixture.engine();
    await fixture.claimAll(second);
    await fixture.events(3);
    await arrived('/x', 4);
    await second.stop();
    expect(await failure()).toEqual(before);
  });

  it('loses to retention only what it is told it lost', async () => {
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), ordered: true }, 0);
    await fixture.events(20);
    await fixture.pool.query('delete from events where seq <= 15');
    await fixture.pool.query('update log_head set oldest_seq = 16');
    // Of a process that starts now: none of the events is in its memory.
    const hub = new LiveHub({ store: fixture.store, logger: silent, quietMs: 100 });
    await hub.start();
    await fixture.claimAll(await fixture.engine({ hub }));
    await arrived('/x', 5);
    const { rows } = await waitFor(
      async () => {
        const found = await fixture.pool.query<{ data: { reason: string; positions: number } }>(
          'select data from webhook_event_outbox where endpoint_id = $1',
          [id],
        );
        return found.rows.length > 0 ? found : undefined;
      },
      { what: 'the notice' },
    );
    expect(rows[0]!.data).toMatchObject({ reason: 'expired', positions: 15 });
    hub.stop();
  });
});

describe('endpoints beside each other', () => {
  it('are not delayed by others that hang, fail, throttle or answer without end', async () => {
    receiver.answer(({ path }) =>
      path.startsWith('/hang')
        ? { fault: 'hang' }
        : path.startsWith('/half')
          ? { fault: 'half' }
          : path.startsWith('/fail')
            ? { status: 500 }
            : path.startsWith('/busy')
              ? { status: 429, headers: { 'retry-after': '30' } }
              : undefined,
    );
    for (const kind of ['hang', 'half', 'fail', 'busy']) {
      for (let i = 0; i < 10; i++) await fixture.endpoint({ url: receiver.url(`/${kind}${i}`), maxInFlight: 50, timeoutMs: 5_000 });
    }
    for (let i = 0; i < 5; i++) await fixture.endpoint({ url: receiver.url(`/good${i}`), ordered: true });
    // Fewer places than the bad ones would take.
    const engine = await fixture.engine({ sendsMax: 300 });
    await fixture.claimAll(engine);
    for (let i = 0; i < 10; i++) await fixture.events(20);
    for (let i = 0; i < 5; i++) await arrived(`/good${i}`, 200);
    expect(engine.sends.inUse).toBeLessThanOrEqual(300);
    const lates: number[] = [];
    for (let i = 0; i < 20; i++) {
      const [id] = await fixture.events(1);
      const at = Date.now();
      await waitFor(() => idsAt('/good0').includes(id!), { what: 'a late event' });
      lates.push(Date.now() - at);
    }
    expect(lates.sort((a, b) => a - b)[10]).toBeLessThan(5_000);
  });

  it('hold few events in memory while they cannot be delivered to, however much waits', async () => {
    receiver.answer(() => ({ status: 500 }));
    const { id } = await fixture.endpoint({ url: receiver.url('/stuck'), ordered: true, batch: { maxEvents: 100, maxWaitMs: 0 } });
    await fixture.endpoint({ url: receiver.url('/stuck-too') });
    const engine = await fixture.engine({ policy: quickPolicy({ scheduleMs: [0, 3_600_000] }) });
    await fixture.claimAll(engine);
    for (let i = 0; i < 10; i++) await fixture.events(500);
    await waitFor(async () => ((await fixture.states(id)).open ?? 0) > 0);
    const held = () => [...engine.pipelines].reduce((sum, runner) => sum + runner.lag.pending, 0);
    await waitFor(() => held() <= 400, { what: 'memory to be given back' });
  });
});
