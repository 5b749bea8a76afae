import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Scope } from '@tributary/runtime';
import { createDatabase, waitFor } from '@tributary/testing';
import { operationsOf, apiDocument } from '../../testing/api-document.js';
import { ApiUnderTest, draft, type ProblemBody } from '../../testing/api-under-test.js';
import { lockTable } from '../../testing/locked-table.js';
import { TurnWatch } from '../../testing/turns.js';
import { DayPartitions } from '../retention/days.js';

const ROWS = 25_000;
const FLOOD = 250;
/** Turns of one greedy key that a turn of another may wait for: one of each of its kinds of search, and one under way. */
const OVERTAKEN_MAX = 4;
const CONFIG = {
  webhookSecretKey: Buffer.alloc(32, 7).toString('base64'),
  webhookAllowCidrs: ['127.0.0.0/8'],
  apiRatePerMinute: 10_000_000,
};

let database: Awaited<ReturnType<typeof createDatabase>>;
let api: ApiUnderTest;
let second: ApiUnderTest;
let watch: TurnWatch;
let eventId: string;

beforeAll(async () => {
  database = await createDatabase();
  const shared = { ...database, drop: () => Promise.resolve() };
  api = await ApiUnderTest.start({ database: shared, config: CONFIG });
  const day = new Date().toISOString().slice(0, 10);
  await new DayPartitions(api.pool).ensure([day]);
  await api.pool.query(
    `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, user_id, user_handle, data)
     select i, $1, 'r-' || i, 'tiktok.live.chat', 'cr_' || (i % 50), 'h', 'r', now(), now(), (i % 5000)::text, 'u',
       jsonb_build_object('comment', repeat('hay ', 30), 'user', jsonb_build_object('id', (i % 5000)::text))
     from generate_series(1, $2::int) i`,
    [day, ROWS],
  );
  await api.pool.query('update log_head set seq = $1', [ROWS]);
  const event = draft();
  await api.commit([event]);
  eventId = event.id;
  await api.pool.query('analyze events');
  second = await ApiUnderTest.start({ database: shared, config: { ...CONFIG, apiRoles: ['http'] } });
  await waitFor(async () => (await api.call('GET', '/v1/sessions/r')).status === 200, { what: 'the session to be counted' });
});
afterAll(async () => {
  await second.stop();
  await api.stop();
  await database.drop();
});
beforeEach(() => {
  watch = new TurnWatch();
});
afterEach(() => watch.stop());

/** A client that keeps many requests open at a time, each on a socket of its own, whatever it is answered. */
class Flood {
  readonly refused: { status: number; code: string; retryAfter: number }[] = [];
  answered = 0;
  private readonly leaving: AbortController[];
  private readonly running: Promise<void>[];

  constructor(url: string, key: string, count: number) {
    this.leaving = Array.from({ length: count }, () => new AbortController());
    this.running = this.leaving.map(({ signal }) => this.keepAsking(url, key, signal));
  }

  async stop(): Promise<void> {
    for (const one of this.leaving) one.abort();
    await Promise.all(this.running);
  }

  private async keepAsking(url: string, key: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const answer = await fetch(url, { signal, headers: { authorization: `Bearer ${key}` } });
        const text = await answer.text();
        this.answered += 1;
        if (answer.ok) continue;
        const { code } = JSON.parse(text) as ProblemBody;
        this.refused.push({ status: answer.status, code, retryAfter: Number(answer.headers.get('retry-after')) });
        // Far sooner than it is told.
        await delay(100, undefined, { signal });
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }
}

/** Whatever reads the database for a caller, as a request and what must have arrived of its answer. */
const KINDS: Record<string, [method: string, path: string, body?: object]> = {
  'a page of events': ['GET', '/v1/events?limit=10'],
  'an event': ['GET', '/v1/events/:event'],
  'a search by text': ['GET', '/v1/events?q=needle&limit=1'],
  'a search by time': ['GET', '/v1/events?since=2026-01-01T00:00:00Z&limit=1'],
  'an export': ['GET', '/v1/events/export?type=tiktok.live.chat'],
  'a live stream': ['GET', '/v1/stream'],
  'a live stream from before': ['GET', '/v1/stream?since=2026-01-01T00:00:00Z'],
  sessions: ['GET', '/v1/sessions'],
  'a session': ['GET', '/v1/sessions/r'],
  'a leaderboard': ['GET', '/v1/sessions/r/leaderboard?by=chats'],
  'a timeline': ['GET', '/v1/sessions/r/timeline'],
  creators: ['GET', '/v1/creators'],
  webhooks: ['GET', '/v1/webhooks'],
  deliveries: ['GET', '/v1/webhooks/:webhook/deliveries'],
  'a replay': ['POST', '/v1/webhooks/:webhook/replay', { since: new Date(Date.now() - 86_400_000).toISOString() }],
};

/** Asks, and reads the first bytes of the answer. */
async function arrives(at: ApiUnderTest, key: string, [method, path, body]: [string, string, object?]): Promise<number> {
  const leaving = new AbortController();
  const answer = await fetch(at.url + path, {
    ...{ method, signal: leaving.signal },
    headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  await answer.body?.getReader().read();
  leaving.abort();
  return answer.status;
}

/** An endpoint that gets nothing. */
async function makeWebhook(key?: string): Promise<string> {
  const body = { url: 'http://127.0.0.1:10/hook', types: ['tiktok.live.gift'] };
  const made = await api.call<{ id: string }>('POST', '/v1/webhooks', { key, body });
  if (made.status !== 201) throw new Error(`no endpoint was made: ${JSON.stringify(made.body)}`);
  return made.body.id;
}

/** Asks for one kind after another with keys that have asked nothing before; tells how often a turn of each was overtaken. */
async function overtaken(at: ApiUnderTest, greedy: string): Promise<Record<string, { status: number; turns: number; most: number }>> {
  const scopes: Scope[] = ['read', 'webhooks:read', 'webhooks:write'];
  const results: Record<string, { status: number; turns: number; most: number }> = {};
  for (const [kind, [method, path, body]] of Object.entries(KINDS)) {
    const { id, key } = await api.makeKey(scopes);
    // A process learns of a new key within half a second.
    await waitFor(async () => (await at.call('GET', '/v1/me', { key })).status === 200);
    const webhook = path.includes(':webhook') ? await makeWebhook(key) : '';
    const before = watch.overtakenBy(id, greedy).length;
    const status = await arrives(at, key, [method, path.replace(':webhook', webhook).replace(':event', eventId), body]);
    const counts = watch.overtakenBy(id, greedy).slice(before);
    results[kind] = { status, turns: counts.length, most: Math.max(0, ...counts) };
  }
  return results;
}

function expectFair(results: Awaited<ReturnType<typeof overtaken>>): void {
  const unfair = Object.entries(results).filter(([, { status, turns, most }]) => status >= 300 || turns === 0 || most > OVERTAKEN_MAX);
  expect(Object.fromEntries(unfair)).toEqual({});
  expect(Object.keys(results)).toEqual(Object.keys(KINDS));
}

describe('250 requests of one key at once', () => {
  it.each([
    ['searches', '/v1/events?q=needle&limit=1', 10],
    ['timelines', '/v1/sessions/r/timeline?bucket=10s', 100],
  ])(
    'that are %s let every query of other keys begin after a few of theirs, and keep no check of health waiting',
    async (_, path, least) => {
      const greedy = await api.makeKey(['read']);
      const flood = new Flood(api.url + path, greedy.key, FLOOD);
      try {
        await waitFor(() => watch.waiting(greedy.id) > least, { what: 'a queue of the greedy key' });
        expectFair(await overtaken(api, greedy.id));
        for (const health of ['/healthz', '/readyz', '/metrics']) expect((await fetch(api.url + health)).status).toBe(200);
        // It was so all the time.
        expect(watch.waiting(greedy.id)).toBeGreaterThan(least);
        expect(flood.answered).toBeGreaterThan(flood.refused.length);
      } finally {
        await flood.stop();
      }
      for (const { status, code, retryAfter } of flood.refused)
        expect([status, code, retryAfter]).toEqual([429, 'rate-limited', expect.any(Number)]);
      await waitFor(() => watch.waiting(greedy.id) === 0, { what: 'what nobody waits for to leave' });
    },
  );

  it('at two processes let every query of other keys at either begin after a few of theirs there', async () => {
    const greedy = await api.makeKey(['read']);
    await waitFor(async () => (await second.call('GET', '/v1/me', { key: greedy.key })).status === 200);
    const floods = [api, second].map(({ url }) => new Flood(`${url}/v1/sessions/r/timeline?bucket=10s`, greedy.key, FLOOD));
    try {
      await waitFor(() => watch.waiting(greedy.id) > 300, { what: 'two queues of the greedy key' });
      expectFair(await overtaken(second, greedy.id));
    } finally {
      for (const flood of floods) await flood.stop();
    }
  });
});

describe('a key whose queries do not end', () => {
  it('is turned away with a code and a time to come again, and other keys and the process go on', async () => {
    const [greedy, other] = [await api.makeKey(['read']), await api.makeKey(['read'])];
    const unlock = await lockTable(api.config.databaseUrl, 'session_users');
    const leaving = new AbortController();
    try {
      const ask = async () => {
        const answer = await fetch(`${api.url}/v1/sessions/r/leaderboard`, {
          signal: leaving.signal,
          headers: { authorization: `Bearer ${greedy.key}` },
        });
        return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: (await answer.json()) as ProblemBody };
      };
      // Each has begun when it comes to the table that is locked: those wait, and are not turned away.
      const first = Array.from({ length: 20 }, () => ask().catch(() => undefined));
      await waitFor(() => watch.waiting(greedy.id) >= 16, { what: 'all places of the key to be taken' });
      const more = Array.from({ length: 520 }, () => ask().catch(() => undefined));
      const refused = await Promise.any(more.map(async (one) => (await one) ?? Promise.reject(new Error('left'))));
      expect(refused).toEqual({ status: 429, retryAfter: '5', body: expect.objectContaining({ code: 'rate-limited' }) });
      for (const path of ['/v1/creators', '/v1/sessions', '/v1/events?limit=1', '/v1/events?q=needle&limit=1'])
        expect({ path, status: (await api.call('GET', path, { key: other.key })).status }).toEqual({ path, status: 200 });
      expect((await fetch(`${api.url}/readyz`)).status).toBe(200);
      leaving.abort();
      await Promise.all([...first, ...more]);
    } finally {
      leaving.abort();
      await unlock();
    }
    expect((await api.call('GET', '/v1/sessions/r/leaderboard', { key: greedy.key })).status).toBe(200);
  });
});

describe('every route that reads the database for a caller', () => {
  it('has a turn for each of its statements and transactions', async () => {
    const { id: creator } = (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'tester' } })).body;
    const webhook = await makeWebhook();
    const named: Record<string, string> = { creator, roomId: 'r' };
    const routes = operationsOf(await apiDocument()).filter(({ method, operation }) => method === 'get' && operation.security?.[0]?.key);
    const without: string[] = [];
    for (const { route, path } of routes) {
      const { id, key } = await api.makeKey(['admin']);
      const address = path
        .replace('/webhooks/{id}', `/webhooks/${webhook}`)
        .replace('/events/{id}', `/events/${eventId}`)
        .replace('/creators/{id}', `/creators/${creator}`)
        .replaceAll(/\{(\w+)\}/g, (_, name: string) => named[name] ?? 'none');
      await arrives(api, key, ['GET', address]);
      const turns = () => watch.turns.filter((turn) => turn.key === id && !turn.isGone).length;
      // A live stream goes on for a moment.
      await waitFor(() => turns() === (watch.statements.get(id) ?? 0), { what: `as many turns as statements of ${route}` });
      if (turns() === 0) without.push(route);
    }
    expect(routes.length).toBeGreaterThan(15);
    // It is read once for all who ask.
    expect(without.sort()).toEqual(['GET /v1/status']);
  });
});
