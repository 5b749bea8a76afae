import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FeedWriter, LogKeys } from '@tributary/log';
import { createRedis } from '@tributary/runtime';
import {
  hookEvents,
  startPostgres,
  startRedis,
  startWebhookReceiver,
  type SuiteServer,
  waitFor,
  type WebhookReceiver,
} from '@tributary/testing';
import { Committer } from '../store/writer/committer.js';
import { DayPartitions } from '../store/retention/days.js';
import { EndpointEventOutbox } from './upkeep/event-outbox.js';
import type { DeliveryEngine, DeliveryEngineOptions } from './engine.js';
import { Sweeper } from './upkeep/sweeper.js';
import { silent, DeliveryFixture } from './testing.js';
import { WakeQueue } from './upkeep/wake-queue.js';

let redisServer: SuiteServer;
let fixture: DeliveryFixture;
let receiver: WebhookReceiver;
let postgres: SuiteServer | undefined;
const stops: (() => Promise<unknown> | void)[] = [];

const idsAt = (path: string) => receiver.of(path).flatMap((hook) => hookEvents(hook).map(({ id }) => id));
const firstTimes = (path: string) => [...new Set(idsAt(path))];
const arrived = (path: string, count: number, timeoutMs = 15_000) =>
  waitFor(() => new Set(idsAt(path)).size >= count, { what: `${count} events at ${path}`, timeoutMs });

/** One process that runs webhooks: runners, wake-ups over Redis, and a sweeper. */
async function startProcess(
  prefix: string,
  more: Partial<DeliveryEngineOptions> = {},
): Promise<{ engine: DeliveryEngine; queue: WakeQueue; stop(): Promise<void> }> {
  const client = (use: 'command' | 'blocking') => {
    const made = createRedis(redisServer.url, silent, { name: 'spec', use });
    stops.push(() => made.disconnect());
    return made;
  };
  const redis = client('command');
  const queue = new WakeQueue({ redis, blocking: client('blocking'), prefix, logger: silent });
  const engine = await fixture.engine({ wakeElsewhere: (ids) => void queue.wake(ids), ...more });
  queue.process((id) => engine.wake(id));
  const outbox = new EndpointEventOutbox({
    pool: fixture.pool,
    committer: new Committer(fixture.pool, new DayPartitions(fixture.pool)),
    feed: new FeedWriter(redis, new LogKeys(prefix, 1), 10),
    logger: silent,
  });
  const sweeper = new Sweeper({
    pool: fixture.pool,
    engine,
    queue,
    outbox,
    logger: silent,
    retentionMs: 3_600_000,
    sweepMs: 200,
    cleanMs: 300,
  });
  sweeper.start();
  const stop = async () => {
    await sweeper.stop();
    await queue.close();
    await engine.stop();
  };
  stops.push(stop);
  return { engine, queue, stop };
}

beforeAll(async () => {
  redisServer = await startRedis({ appendonly: 'no' });
});
afterAll(() => redisServer.remove());
beforeEach(async () => {
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await fixture.stop();
  await receiver.close();
  await postgres?.remove();
  postgres = undefined;
});

describe('webhooks survive', () => {
  it('the death of their process: another takes the endpoint over, with what was planned and not answered', async () => {
    fixture = await DeliveryFixture.start();
    const [first, second] = [await fixture.events(1), await fixture.events(1)];
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), ordered: true }, 1);
    // What a process leaves that was killed between its plan and its answer.
    const dead = randomUUID();
    await fixture.pool.query(`insert into webhook_runners (id, alive_until) values ($1, now() + interval '400 ms')`, [dead]);
    await fixture.pool.query('update webhook_cursors set claimed_by = $2 where id = $1', [id, dead]);
    await fixture.pool.query(
      `insert into webhook_planned_batches (endpoint_id, id, deliveries) values ($1, 'dlv_left', '[["dlv_left", [1]]]')`,
      [id],
    );
    await startProcess('t-death');
    const more = await fixture.events(3);
    await arrived('/x', 5);
    expect(idsAt('/x')).toEqual([...first, ...second, ...more]);
    expect(receiver.hooks[0]!.headers['webhook-id']).toBe('dlv_left');
  });

  it('a planned stop in the middle: the next one goes on at once, nothing missing, nothing twice', async () => {
    fixture = await DeliveryFixture.start();
    receiver.answer(() => ({ delayMs: 2 }));
    const { id } = await fixture.endpoint({ url: receiver.url('/x'), ordered: true });
    const ids: string[] = [];
    for (let round = 0; round < 3; round++) {
      const { stop } = await startProcess('t-stop');
      for (let i = 0; i < 5; i++) ids.push(...(await fixture.events(20)));
      await arrived('/x', round * 100 + 30);
      await stop();
    }
    await startProcess('t-stop');
    await arrived('/x', 300);
    expect(idsAt('/x')).toEqual(ids);
    await waitFor(async () => (await fixture.states(id)).delivered === 300, { what: 'results' });
  });

  it('two processes: endpoints are spread over both, and each is run by one', async () => {
    fixture = await DeliveryFixture.start();
    // Nobody dies here: a machine that is busy must not make either of them look dead.
    const one = await startProcess('t-two', { ttlMs: 10_000 });
    for (let i = 0; i < 20; i++) await fixture.endpoint({ url: receiver.url(`/${i}`), ordered: true });
    await waitFor(() => one.engine.count === 20, { what: 'one to hold all' });
    const two = await startProcess('t-two', { ttlMs: 10_000 });
    await waitFor(() => two.engine.count >= 7 && one.engine.count + two.engine.count === 20, { what: 'a fair share' });
    const ids = await fixture.events(50);
    for (let i = 0; i < 20; i++) await arrived(`/${i}`, 50, 60_000);
    for (let i = 0; i < 20; i++) expect(idsAt(`/${i}`)).toEqual(ids);
  });

  it('a wipe of Redis, and its absence: the sweeper finds what nobody wakes', async () => {
    fixture = await DeliveryFixture.start();
    const ids: string[] = [];
    await fixture.endpoint({ url: receiver.url('/x'), ordered: true });
    const { engine } = await startProcess('t-wipe');
    ids.push(...(await fixture.events(20)));
    await arrived('/x', 20);
    const admin = createRedis(redisServer.url, silent, { name: 'spec' });
    stops.push(() => admin.disconnect());
    await waitFor(() => admin.status === 'ready');
    await admin.flushall();
    await fixture.endpoint({ url: receiver.url('/after-wipe') });
    await waitFor(() => engine.count === 2, { what: 'an endpoint made after the wipe' });
    await redisServer.kill9();
    await fixture.endpoint({ url: receiver.url('/without') });
    ids.push(...(await fixture.events(20)));
    await arrived('/x', 40);
    await arrived('/without', 0);
    await waitFor(() => engine.count === 3, { what: 'an endpoint made without Redis' });
    await redisServer.start();
    ids.push(...(await fixture.events(20)));
    await arrived('/x', 60);
    expect(idsAt('/x')).toEqual(ids);
  });

  it('a restart of PostgreSQL: nothing missing, order kept', async () => {
    postgres = await startPostgres();
    fixture = await DeliveryFixture.start(postgres.url);
    const { id } = await fixture.endpoint({ url: receiver.url('/ordered'), ordered: true });
    await fixture.endpoint({ url: receiver.url('/parallel') });
    await startProcess('t-postgres');
    const ids = await fixture.events(300);
    await arrived('/ordered', 20);
    await postgres.restart();
    await waitFor(() => fixture.pool.query('select 1'), { what: 'PostgreSQL' });
    ids.push(...(await fixture.events(50)));
    await arrived('/ordered', 350, 25_000);
    await arrived('/parallel', 350, 25_000);
    expect(firstTimes('/ordered')).toEqual(ids);
    await waitFor(async () => (await fixture.states(id)).delivered === 350, { what: 'results' });
  });
});
