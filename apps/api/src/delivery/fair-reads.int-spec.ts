import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { createKey } from '../keys/key-store.js';
import { FairQueue } from '../store/pool/fair-queue.js';
import { lockTable } from '../testing/locked-table.js';
import { DeliveryFixture } from './testing.js';

const EVENTS = 20_000;
const ENDPOINTS = 40;

let fixture: DeliveryFixture;
beforeAll(async () => {
  fixture = await DeliveryFixture.start();
});
afterAll(() => fixture.stop());

describe('endpoints of one key that all catch up', () => {
  it('let each read of the endpoint of another key begin after one of theirs for each place', async () => {
    for (let i = 0; i < EVENTS; i += 5_000) await fixture.events(5_000);
    const owner = async (name: string) => {
      const made = await createKey(fixture.pool, name, ['read', 'webhooks:write']);
      if (made === 'full') throw new Error('no room for a key');
      return made.id;
    };
    const [greedy, other] = [await owner('greedy'), await owner('other')];
    const endpoint = async (key: string) => {
      const { id } = await fixture.endpoint({ url: 'http://127.0.0.1:9/', filter: { types: ['tiktok.live.gift'] } }, 0);
      await fixture.pool.query('update webhook_endpoints set key_id = $2 where id = $1', [id, key]);
      return id;
    };
    for (let i = 0; i < ENDPOINTS; i++) await endpoint(greedy);
    const one = await endpoint(other);

    const begun: string[] = [];
    const overtaken: number[] = [];
    let waiting = 0;
    const queues = FairQueue.prototype;
    const { run } = queues;
    queues.run = function <T>(this: FairQueue, tenant: string, bounds: Parameters<typeof run>[1], work: () => Promise<T>): Promise<T> {
      const askedAt = begun.length;
      if (tenant === greedy) waiting += 1;
      return run.call(this, tenant, bounds, () => {
        if (tenant === greedy) waiting -= 1;
        if (tenant === other) overtaken.push(begun.slice(askedAt).filter((key) => key === greedy).length);
        begun.push(tenant);
        return work();
      }) as Promise<T>;
    };
    const engine = await fixture.engine({ ttlMs: 10_000 });
    const unlock = await lockTable(fixture.url, 'events');
    try {
      await fixture.claimAll(engine);
      await waitFor(() => waiting >= ENDPOINTS / 2, { what: 'many reads to wait' });
      await unlock();
      await waitFor(() => [...engine.pipelines].find(({ id }) => id === one)?.lag.position === EVENTS, {
        what: 'the one to have caught up',
      });
    } finally {
      queues.run = run;
      await unlock();
    }
    expect(overtaken.length).toBeGreaterThan(0);
    expect(Math.max(...overtaken)).toBeLessThanOrEqual(3);
  });
});
