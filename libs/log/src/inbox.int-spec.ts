import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { createRedis } from '@tributary/runtime';
import { startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { LogKeys } from './log-keys.js';
import type { RefusedEvent } from './producer/partition-queue.js';
import { InboxProducer } from './producer/inbox-producer.js';
import { InboxReader, type Positions } from './reader/inbox-reader.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const logger = { ...silent, trace: () => undefined, debug: () => undefined };
const FENCE = '1000';
const CREATOR = 'cr_one';

let server: SuiteServer;
let redis: Redis;
let keys: LogKeys;
let refused: RefusedEvent[];
const producers: InboxProducer[] = [];

const draft = (n: number, creatorId = CREATOR): EventDraft => ({
  id: `7000000000000000000-${n}`,
  type: 'tiktok.live.chat',
  creatorId,
  handle: 'one',
  roomId: '7000000000000000000',
  time: 1_700_000_000_000 + n,
  receivedAt: Date.now(),
  data: { comment: `text ${n}` },
});

const makeProducer = (options: { run?: string; retainBytesMax?: number; inboxBytesMax?: number } = {}) => {
  const producer = new InboxProducer({
    redis,
    keys,
    run: options.run ?? randomUUID(),
    flushMs: 1,
    retainBytesMax: options.retainBytesMax ?? 10_000_000,
    inboxBytesMax: options.inboxBytesMax ?? 0,
    logger: silent,
    onRefused: (event) => refused.push(event),
  });
  producers.push(producer);
  producer.start();
  return producer;
};
const makeReader = (inboxBytesMax = 0) => new InboxReader({ redis, keys, batchEntriesMax: 1_000, keepMs: 600_000, inboxBytesMax });
const hold = (creatorId = CREATOR, fence = FENCE) =>
  redis.hset(keys.leases(keys.partitionOf(creatorId)), creatorId, `${fence} worker 9999999999999`);
const drained = (producer: InboxProducer) => producer.drain(AbortSignal.timeout(5_000));
const ids = async () => (await makeReader().read({})).entries.map(({ fields }) => fields.id);

beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
  redis = createRedis(server.url, logger, { name: 'spec' });
  await waitFor(() => redis.status === 'ready');
});
afterAll(async () => {
  redis.disconnect();
  await server.remove();
});
beforeEach(() => {
  keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 2);
  refused = [];
});
afterEach(async () => {
  await Promise.all(producers.splice(0).map((producer) => producer.stop()));
});

describe('appending to the inbox', () => {
  it('keeps the order of a creator and writes each event once', async () => {
    await hold();
    const producer = makeProducer();
    for (let n = 1; n <= 1_200; n++) expect(producer.append(draft(n), FENCE)).toBe(true);
    expect(await drained(producer)).toBe(true);
    const entries: string[] = [];
    let positions: Positions = {};
    for (;;) {
      const batch = await makeReader().read(positions);
      if (batch.entries.length === 0) break;
      entries.push(...batch.entries.map(({ fields }) => fields.id!));
      positions = batch.to;
    }
    expect(entries).toEqual(Array.from({ length: 1_200 }, (_, i) => draft(i + 1).id));
  });

  it('writes nothing twice when a batch whose answer was lost is sent again', async () => {
    await hold();
    const run = randomUUID();
    const first = makeProducer({ run });
    first.append(draft(1), FENCE);
    first.append(draft(2), FENCE);
    await drained(first);
    // the same run counting again from 1 is what a resend looks like to the script
    const again = makeProducer({ run });
    for (const n of [1, 2, 3]) again.append(draft(n), FENCE);
    await drained(again);
    expect(await ids()).toEqual([1, 2, 3].map((n) => draft(n).id));
  });

  it('refuses events of a fence that is no longer the lease, by equality, and lets the others of the batch in', async () => {
    const other = Array.from({ length: 50 }, (_, i) => `cr_${i}`).find((id) => keys.partitionOf(id) === keys.partitionOf(CREATOR))!;
    await hold(CREATOR, '2000');
    await hold(other);
    const producer = makeProducer();
    producer.append(draft(1), FENCE);
    producer.append(draft(2, other), FENCE);
    producer.append(draft(3), '3000');
    await drained(producer);
    expect(await ids()).toEqual([draft(2).id]);
    expect(refused.map(({ id }) => id)).toEqual([draft(1).id, draft(3).id]);
    expect(producer.stats()).toMatchObject({ refused: 2 });
  });

  it('holds events back while no lease is recorded at all, and appends them once it is', async () => {
    const producer = makeProducer();
    producer.append(draft(1), FENCE);
    await waitFor(() => producer.stats().oldestUnappendedAt);
    expect(await redis.exists(keys.inbox(keys.partitionOf(CREATOR)))).toBe(0);
    await hold();
    await drained(producer);
    expect(await ids()).toEqual([draft(1).id]);
    expect(refused).toEqual([]);
  });

  it('answers FULL at its bound, keeps the events, and goes on when there is room', async () => {
    await hold();
    const producer = makeProducer({ inboxBytesMax: 200_000 });
    for (let n = 1; n <= 3_000; n++) producer.append(draft(n), FENCE);
    await waitFor(async () => {
      const length = await redis.xlen(keys.inbox(keys.partitionOf(CREATOR)));
      return length > 0 && length < 3_000 && producer.stats().oldestUnappendedAt !== undefined;
    });
    const seen = new Set<string>();
    const reader = makeReader(200_000);
    let positions: Positions = {};
    await waitFor(async () => {
      const batch = await reader.read(positions);
      for (const { fields } of batch.entries) seen.add(fields.id!);
      positions = batch.to;
      await reader.confirm(batch);
      await reader.trim(positions);
      return seen.size === 3_000;
    });
  });

  it('says no when memory is full, so that the caller records a gap', async () => {
    await hold();
    const producer = makeProducer({ retainBytesMax: 2_000 });
    const answers = Array.from({ length: 20 }, (_, n) => producer.append(draft(n), FENCE));
    expect(answers[0]).toBe(true);
    expect(answers.at(-1)).toBe(false);
    await drained(producer);
    expect(await ids()).toHaveLength(answers.filter(Boolean).length);
  });

  it('writes the handover state in the same command as the event that changed it', async () => {
    await hold();
    const producer = makeProducer();
    producer.append(draft(1), FENCE, '{"streak":1}');
    producer.append(draft(2), FENCE);
    await drained(producer);
    const partition = keys.partitionOf(CREATOR);
    expect(await redis.hget(keys.handoverState(partition), CREATOR)).toBe('{"streak":1}');
    expect(Number(await redis.hget(keys.last(partition), CREATOR))).toBeGreaterThan(0);
  });
});

describe('what Redis acknowledged and lost', () => {
  it('is sent again after a wipe, once its lease is there again', async () => {
    await hold();
    const producer = makeProducer();
    for (let n = 1; n <= 10; n++) producer.append(draft(n), FENCE);
    await drained(producer);
    await redis.flushall();
    await hold();
    await waitFor(async () => (await ids()).length === 10);
    expect(await ids()).toEqual(Array.from({ length: 10 }, (_, i) => draft(i + 1).id));
    expect(producer.stats().resent).toBeGreaterThanOrEqual(10);
  });

  it('is sent again even when its creator has a new holder, or none, by then; what was refused stays refused', async () => {
    const others = Array.from({ length: 50 }, (_, i) => `cr_${i}`).filter((id) => keys.partitionOf(id) === keys.partitionOf(CREATOR));
    const [released, refusedOne] = others as [string, string];
    await Promise.all([hold(), hold(released), hold(refusedOne, '9')]);
    const producer = makeProducer();
    producer.append(draft(1), FENCE, '{"old":true}');
    producer.append(draft(2, released), FENCE);
    producer.append(draft(3, refusedOne), FENCE);
    await drained(producer);
    expect(refused.map(({ id }) => id)).toEqual([draft(3).id]);
    await redis.flushall();
    await hold(CREATOR, '2000');
    await hold(refusedOne);
    const partition = keys.partitionOf(CREATOR);
    await redis.hset(keys.handoverState(partition), CREATOR, '{"new":true}');
    await waitFor(async () => (await ids()).length === 2);
    expect(await ids()).toEqual([draft(1).id, draft(2).id]);
    expect(refused).toHaveLength(1);
    expect(await redis.hget(keys.handoverState(partition), CREATOR)).toBe('{"new":true}');
  });

  it('is sent again from the oldest that is not stored after a restart that lost the newest appends', async () => {
    await hold();
    const producer = makeProducer();
    for (let n = 1; n <= 5; n++) producer.append(draft(n), FENCE);
    await drained(producer);
    const reader = makeReader();
    const stored = await reader.read({});
    await reader.confirm(stored);
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
    await redis.save();
    for (let n = 6; n <= 9; n++) producer.append(draft(n), FENCE);
    await drained(producer);
    await server.kill9();
    await server.restart();
    await waitFor(() => redis.status === 'ready');
    producer.append(draft(10), FENCE);
    await waitFor(async () => (await ids()).length === 10);
    expect((await reader.read(stored.to)).entries.map(({ fields }) => fields.id)).toEqual([6, 7, 8, 9, 10].map((n) => draft(n).id));
  });

  it('is read from the beginning of a new epoch, whatever position the reader had', async () => {
    await hold();
    const producer = makeProducer();
    producer.append(draft(1), FENCE);
    await drained(producer);
    const before = await makeReader().read({});
    await redis.flushall();
    await hold();
    const partition = String(keys.partitionOf(CREATOR));
    const far: Positions = { [partition]: { epoch: before.to[partition]!.epoch, id: '99999999999999-0' } };
    await waitFor(async () => (await makeReader().read(far)).entries.length === 1);
  });

  it('is read again when a stream of the same epoch ends before the position', async () => {
    await hold();
    const producer = makeProducer();
    producer.append(draft(1), FENCE);
    await drained(producer);
    const partition = String(keys.partitionOf(CREATOR));
    const { to } = await makeReader().read({});
    const lost: Positions = { [partition]: { epoch: to[partition]!.epoch, id: '99999999999999-0' } };
    expect((await makeReader().read(lost)).entries).toHaveLength(1);
    expect((await makeReader().read(to)).entries).toHaveLength(0);
  });
});

describe('confirmation and trimming', () => {
  it('frees what the store has, and a new writer confirms again what its predecessor could not', async () => {
    await hold();
    const producer = makeProducer();
    for (let n = 1; n <= 3; n++) producer.append(draft(n), FENCE);
    await drained(producer);
    const reader = makeReader();
    const batch = await reader.read({});
    expect(producer.stats().bytes).toBeGreaterThan(0);
    await reader.reconfirm(batch.to);
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
    expect(producer.stats()).toMatchObject({ bytes: 0, confirmed: 3 });
  });

  it('never removes what is not stored, however old it is', async () => {
    await hold();
    const producer = makeProducer();
    for (let n = 1; n <= 500; n++) producer.append(draft(n), FENCE);
    await drained(producer);
    const reader = new InboxReader({ redis, keys, batchEntriesMax: 200, keepMs: 0, inboxBytesMax: 1 });
    const first = await reader.read({});
    await reader.trim(first.to);
    const rest: string[] = [];
    let positions = first.to;
    for (;;) {
      const batch = await reader.read(positions);
      if (batch.entries.length === 0) break;
      rest.push(...batch.entries.map(({ fields }) => fields.id!));
      positions = batch.to;
    }
    expect(first.entries.length + rest.length).toBe(500);
  });
});
