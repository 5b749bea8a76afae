import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRedis } from '@tributary/runtime';
import { startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { LogKeys } from './log-keys.js';
import { InboxProducer } from './producer/inbox-producer.js';
import { InboxReader, type Positions } from './reader/inbox-reader.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const BOUND_BYTES = 6_000_000;
const MIXES: [string, (n: number) => number][] = [
  ['small', (n) => 40 + (n % 120)],
  ['mixed', (n) => (n % 10 === 0 ? 2_000 + (n % 28) * 1_000 : 80 + (n % 300))],
  ['first large, then small', (n) => (n < 100 ? 30_000 : 150)],
  ['first small, then large', (n) => (n < 8_000 ? 150 : 30_000)],
];

let server: SuiteServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
  redis = createRedis(server.url, { ...silent, trace: () => undefined, debug: () => undefined }, { name: 'spec' });
  await waitFor(() => redis.status === 'ready');
});
afterAll(async () => {
  redis.disconnect();
  await server.remove();
});

describe('the bound of the inbox in bytes', () => {
  it.each(MIXES)('holds within a few percent with %s events, and makes room again when the store has them', async (_, bytesOf) => {
    const keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 1);
    await redis.hset(keys.leases(0), 'cr_one', '1 worker 9999999999999');
    let isFull = false;
    const producer = new InboxProducer({
      redis,
      keys,
      run: randomUUID(),
      flushMs: 1,
      retainBytesMax: 100_000_000,
      inboxBytesMax: BOUND_BYTES,
      logger: { ...silent, warn: (fields) => (isFull ||= (fields as { status?: string }).status === 'FULL') },
      onRefused: () => undefined,
    });
    producer.start();
    let total = 0;
    for (let bytes = 0; bytes < BOUND_BYTES * 1.6; total += 1) {
      const size = bytesOf(total);
      bytes += size + 250;
      const data = { comment: 'x'.repeat(size) };
      const id = `7000000000000000000-${7_000_000_000_000_000_000n + BigInt(total)}`;
      const ids = { id, creatorId: 'cr_one', handle: 'one', roomId: '7000000000000000000' };
      producer.append({ ...ids, type: 'tiktok.live.chat', time: Date.now(), receivedAt: Date.now(), data }, '1');
    }
    await waitFor(() => isFull, { timeoutMs: 60_000 });
    const used = Number(await redis.memory('USAGE', keys.inbox(0), 'SAMPLES', 0));
    // The last batch, of up to 1 MB, did not fit.
    expect(used).toBeGreaterThan(BOUND_BYTES * 0.93 - 1_048_576);
    expect(used).toBeLessThan(BOUND_BYTES * 1.06);

    const reader = new InboxReader({ redis, keys, batchEntriesMax: 1_000, keepMs: 600_000, inboxBytesMax: BOUND_BYTES });
    let positions: Positions = {};
    let read = 0;
    await waitFor(
      async () => {
        const batch = await reader.read(positions);
        await reader.confirm(batch);
        positions = batch.to;
        await reader.trim(positions);
        return (read += batch.entries.length) === total;
      },
      { timeoutMs: 60_000 },
    );
    await producer.stop();
  });

  it('takes events again when all was trimmed but entries of a version before this one, which tell no bytes', async () => {
    const keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 1);
    await redis.hset(keys.leases(0), 'cr_one', '1 worker 9999999999999');
    await redis.xadd(keys.inbox(0), '*', 'id', 'old', 'run', 'old-worker', 'n', '1');
    await redis.set(keys.appended(0), `9000 ${BOUND_BYTES - 100} 0`);
    const run = randomUUID();
    const options = { redis, keys, run, flushMs: 1, retainBytesMax: 1_000_000, inboxBytesMax: BOUND_BYTES, logger: silent };
    const producer = new InboxProducer({ ...options, onRefused: () => undefined });
    producer.start();
    const ids = { id: '7000000000000000000-1', creatorId: 'cr_one', handle: 'one', roomId: '7000000000000000000' };
    producer.append({ ...ids, type: 'tiktok.live.chat', time: Date.now(), receivedAt: Date.now(), data: {} }, '1');
    await waitFor(() => producer.stats().appended === 1);
    await producer.stop();
  });
});
