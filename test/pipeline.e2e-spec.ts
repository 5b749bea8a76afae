import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Envelope } from '@tributary/events';
import { callJson, ownedData, type Stack, startStack, waitFor } from '@tributary/testing';
import { createParser } from 'eventsource-parser';
import { Redis } from 'ioredis';
import pg from 'pg';
import { account, settled } from './faults/parts/accounting.js';

/** Whole processes: simulator, signer, two workers and api, over a private Redis (AOF) and PostgreSQL. */
const ROOMS = 4;

interface Page {
  data: Envelope[];
  next: string;
  more: boolean;
}

let stack: Stack;
let pool: pg.Pool;
const uniqueIds = Array.from({ length: ROOMS }, (_, n) => `e2e_000${n + 1}`);

const states = async () =>
  (await stack.call<{ data: { state: string }[] }>('GET', '/v1/creators?limit=100')).data.map(({ state }) => state);
const allLive = () =>
  waitFor(async () => (await states()).every((state) => state === 'live'), { timeoutMs: 45_000, everyMs: 200, what: 'all live' });
const sim = <T>(method: string, path: string, body?: unknown) => callJson<T>(method, `${stack.urls.simulator}/sim${path}`, body);
const storedCount = async () => Number((await pool.query<{ count: string }>('select count(*) from events')).rows[0]?.count);

const takeovers = async () =>
  Number(
    (await pool.query<{ count: string }>(`select count(*) from events where type = 'monitor.gap' and data->>'reason' = 'takeover'`)).rows[0]
      ?.count,
  );

/** Reads a live stream until `enough`; returns its events in order. */
async function follow(path: string, enough: (events: Envelope[]) => boolean): Promise<Envelope[]> {
  const ending = new AbortController();
  const answer = await fetch(`${stack.urls.api}${path}`, { headers: { authorization: `Bearer ${stack.key}` }, signal: ending.signal });
  const events: Envelope[] = [];
  const decoder = new TextDecoder();
  const parser = createParser({
    onEvent: ({ event, data }) => {
      if (/^(?:tiktok|monitor)\./.test(event ?? '')) events.push(JSON.parse(data) as Envelope);
    },
  });
  for await (const chunk of answer.body ?? []) {
    parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
    if (enough(events)) break;
  }
  ending.abort();
  return events;
}

beforeAll(async () => {
  stack = await startStack({ workers: 2 });
  pool = new pg.Pool({ connectionString: stack.postgres.url, max: 2 });
  pool.on('error', () => undefined);
  await sim('POST', '/rooms/batch', { count: ROOMS, prefix: 'e2e_', rate: 8, live: true });
  await stack.call('POST', '/v1/creators/batch', { creators: uniqueIds.map((uniqueId) => ({ uniqueId })) });
  await allLive();
}, 120_000);

afterAll(async () => {
  await pool.end();
  await stack.stop();
});

describe('the whole pipeline, from socket to query', () => {
  it('gives REST history and the live stream after it every event once, joined by one cursor', async () => {
    await waitFor(async () => (await storedCount()) > 200);
    const pages: Envelope[] = [];
    let cursor = '';
    for (let page: Page | undefined; page?.more !== false;) {
      page = await stack.call<Page>('GET', `/v1/events?limit=50${cursor ? `&cursor=${cursor}` : ''}`);
      pages.push(...page.data);
      cursor = page.next;
    }
    const live = await follow(`/v1/stream?cursor=${cursor}`, (events) => events.length >= 50);
    const seen = [...pages, ...live].map(({ id }) => id);
    const { rows } = await pool.query<{ id: string }>('select id from events order by seq limit $1', [seen.length]);
    expect(seen).toEqual(rows.map(({ id }) => id));
  });

  it('accounts for every message after kill -9 of a worker, of the api and of Redis', async () => {
    const { worker } = await stack.call<{ worker: string }>('GET', `/v1/creators/@${uniqueIds[0]}`);
    const holder = stack.workers.find(({ name }) => name === worker)!;
    await holder.kill9();
    await holder.start();
    await stack.api.kill9();
    await stack.redis.kill9();
    await stack.redis.restart();
    await stack.api.start();
    await waitFor(takeovers, { timeoutMs: 45_000, everyMs: 200, what: "the killed worker's creators to be taken over" });
    await allLive();
    const before = await storedCount();
    await waitFor(async () => (await storedCount()) > before + 100);
    for (const uniqueId of uniqueIds) await sim('PATCH', `/rooms/${uniqueId}`, { rate: 0 });
    await settled(pool, 1_000, 20_000);
    const result = await account(stack.urls.simulator, pool, uniqueIds);
    expect(result).toMatchObject({ missing: 0, duplicates: 0, orderFaults: 0 });
    expect(result.sent).toBeGreaterThan(300);
  }, 150_000);

  it('leaves nothing in Redis that has no owner in docs/architecture.md', async () => {
    const redis = new Redis(stack.redis.url);
    const keys = await redis.keys('*');
    redis.disconnect();
    const { isOwnedKey } = ownedData();
    expect(keys.length).toBeGreaterThan(15);
    expect(keys.filter((key) => !isOwnedKey(key, 'tributary'))).toEqual([]);
  });

  it('ends every process within 10 s of SIGTERM', async () => {
    for (const part of [...stack.workers, stack.api, stack.signer, stack.simulator]) expect(await part.stop()).toBe(true);
  });
});
