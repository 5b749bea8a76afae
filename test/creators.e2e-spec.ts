import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { callJson, type Stack, startStack, table, waitFor } from '@tributary/testing';

/** 1,000 creators over whole processes: api, one real ingest worker, signer and simulator, with a budget of 5 sign calls a minute. */
const ROOMS = 940;
const UNKNOWN = 20;
const SIGN_PER_MINUTE = 5;
const FLOW_MS = 60_000;

interface Creator {
  id: string;
  uniqueId: string;
  paused: boolean;
  state: string;
  worker: string | null;
  queue: { place: number; waitMs: number } | null;
  lastError: { reason: string; retryAt?: string } | null;
  options: object;
}
interface Batch {
  data: { index: number; result: string; id?: string; uniqueId?: string; field?: string; reason?: string }[];
}

let stack: Stack;
const lines: { step: string; ms: number; outcome: string }[] = [];

const list = async () => (await stack.call<{ data: Creator[] }>('GET', '/v1/creators?limit=1000')).data;

const countBy = (values: string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
};

/** Runs a step, and notes how long it took and what came of it. */
async function step<T>(name: string, work: () => Promise<T>, outcome: (result: T) => unknown): Promise<T> {
  const startedAt = performance.now();
  const result = await work();
  lines.push({ step: name, ms: Math.round(performance.now() - startedAt), outcome: JSON.stringify(outcome(result)).replaceAll('"', '') });
  return result;
}

/** Waits until what is listed is as wanted. */
const until = (what: string, wanted: (creators: Creator[]) => boolean) =>
  waitFor(
    async () => {
      const creators = await list();
      return wanted(creators) ? creators : undefined;
    },
    { timeoutMs: FLOW_MS, everyMs: 250, what },
  );

beforeAll(async () => {
  const env = { SIGN_PER_MINUTE: String(SIGN_PER_MINUTE), CREATOR_SECRET_KEY: randomBytes(32).toString('base64'), LOG_LEVEL: 'info' };
  stack = await startStack({ env });
  await callJson('POST', `${stack.urls.simulator}/sim/rooms/batch`, { count: ROOMS, prefix: 'many', rate: 0.1 });
}, 120_000);

afterAll(async () => {
  process.stdout.write(`\n${table(lines)}\n\n`);
  await stack.stop();
});

describe('1,000 creators', () => {
  it('are added in one call: each item has its own answer, and bad ones name their field', async () => {
    const names = Array.from({ length: ROOMS }, (_, n) => `many${String(n + 1).padStart(4, '0')}`);
    const unknown = Array.from({ length: UNKNOWN }, (_, n) => `nobody${n}`);
    const twice = names.slice(0, 20).map((name) => `https://www.tiktok.com/@${name.toUpperCase()}/live`);
    const bad = [...Array(10).fill('not a name'), ...Array(10).fill({ uniqueId: 'fine', options: { types: ['tiktok.live.chta'] } })];
    const creators: unknown[] = [...names, ...unknown, ...twice, ...bad];
    expect(creators).toHaveLength(1_000);
    const { data } = await step(
      'add 1,000',
      () => stack.call<Batch>('POST', '/v1/creators/batch', { creators }),
      (batch) => countBy(batch.data.map(({ result }) => result)),
    );
    expect(countBy(data.map(({ result, field }) => (field ? `${result} ${field}` : result)))).toEqual({
      created: ROOMS + UNKNOWN,
      exists: 20,
      'invalid uniqueId': 10,
      'invalid options.types': 10,
    });
    expect(data.map(({ index }) => index)).toEqual(creators.map((_, index) => index));
    const ids = new Set(data.slice(0, 20).map(({ id }) => id));
    expect(data.slice(960, 980).every(({ id }) => ids.has(id))).toBe(true);
  });

  it('show their states: a few live, the others their place and estimate, those that nobody has an error', async () => {
    const creators = await step(
      'until each has its state',
      () =>
        until('every state', (all) => {
          const counts = countBy(all.map(({ state, queue }) => (queue ? 'queued' : state)));
          return counts.queued === ROOMS - SIGN_PER_MINUTE && counts.error === UNKNOWN && counts.live === SIGN_PER_MINUTE;
        }),
      (all) => countBy(all.map(({ state, queue }) => (queue ? `${state}, queued` : state))),
    );
    const queued = creators.filter(({ queue }) => queue).sort((a, b) => a.queue!.place - b.queue!.place);
    expect(new Set(queued.map(({ queue }) => queue!.place)).size).toBeGreaterThan(0.98 * queued.length);
    const last = queued.at(-1)!.queue!;
    expect(last.place).toBeGreaterThanOrEqual(ROOMS - 2 * SIGN_PER_MINUTE);
    expect(last.waitMs / 60_000).toBeGreaterThan(180);
    expect(last.waitMs / 60_000).toBeLessThan(195);
    expect(creators.find(({ state }) => state === 'error')?.lastError).toMatchObject({ reason: 'not-found' });
    await step('list 1,000 with states', list, (all) => all.length);
  });

  it('are paused, resumed and removed in one call each, and their worker follows', async () => {
    const refs = (await list()).map(({ id, uniqueId }, n) => (n % 2 === 0 ? id : `@${uniqueId}`));
    const change = (action: string, creators: string[]) =>
      step(
        `${action} ${creators.length}`,
        () => stack.call<Batch>('POST', `/v1/creators/batch/${action}`, { creators }),
        (batch) => countBy(batch.data.map(({ result }) => result)),
      );
    const paused = await change('pause', [...refs, 'never.monitored', refs[0]!]);
    expect(countBy(paused.data.map(({ result }) => result))).toEqual({ done: refs.length, unknown: 1, unchanged: 1 });
    await step(
      'until the worker has let go of all',
      () => until('none held', (all) => all.every((one) => one.paused && one.worker === null && one.state === 'paused')),
      (all) => countBy(all.map(({ state }) => `paused, ${state}`)),
    );
    const rooms = await callJson<Record<string, { connectedAt: number | null }[]>>('GET', `${stack.urls.simulator}/sim/rooms`);
    const connected = Object.values(rooms)
      .flat()
      .filter(({ connectedAt }) => connectedAt !== null);
    expect(connected).toEqual([]);

    await change('resume', refs);
    await step(
      'until each is followed again',
      () => until('all held', (all) => all.every(({ worker, state }) => worker !== null && state !== 'unknown' && state !== 'offline')),
      (all) => countBy(all.map(({ state, queue }) => (queue ? `${state}, queued` : state))),
    );
    expect((await change('remove', refs)).data.every(({ result }) => result === 'done')).toBe(true);
    expect(await list()).toEqual([]);
    const held = async () =>
      (await stack.call<{ workers: { list: { creators: number }[] } }>('GET', '/v1/status')).workers.list.reduce(
        (sum, { creators }) => sum + creators,
        0,
      );
    await step(
      'until the worker has forgotten all',
      () => waitFor(async () => (await held()) === 0, { timeoutMs: FLOW_MS, everyMs: 100 }),
      () => 'none held',
    );
    expect((await change('remove', refs)).data.every(({ result }) => result === 'unknown')).toBe(true);
  }, 150_000);
});
