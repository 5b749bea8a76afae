import { describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { COUNT_FRESH_MS, WaitingEventsCounter } from './waiting-events.js';

const HEAD = 1_000;

/** A log in which every count takes `ms(creator)`, and is broken off where that is longer than the statement may take. */
function scene(ms: (creator: string) => number) {
  let now = 0;
  let timeoutMs = Infinity;
  const counted: string[] = [];
  let [open, openMax] = [0, 0];
  const query = (text: string, values: unknown[] = []) => {
    const timeout = /statement_timeout = (\d+)/.exec(text);
    if (timeout) timeoutMs = Number(timeout[1]);
    if (/event_ranges/.test(text)) {
      const head = { generation: 1, seq: HEAD, oldestSeq: 1 };
      return Promise.resolve({ rows: [{ ...head, day: '2026-11-26', first: 1, last: HEAD }] });
    }
    if (!/count\(\*\)/.test(text)) return Promise.resolve({ rows: [] });
    const creator = values.find((value) => typeof value === 'string')!;
    counted.push(creator);
    now += Math.min(ms(creator), timeoutMs);
    if (ms(creator) > timeoutMs) return Promise.reject(Object.assign(new Error('canceling statement'), { code: '57014' }));
    return Promise.resolve({ rows: [{ n: 7, at: new Date(5) }] });
  };
  const connect = async () => {
    openMax = Math.max(openMax, (open += 1));
    await Promise.resolve();
    return { query, release: () => (open -= 1) };
  };
  const counter = new WaitingEventsCounter({ pool: { connect } as unknown as Pool, now: () => now });
  return { counter, counted, openMax: () => openMax, pass: (by: number) => (now += by) };
}

const endpoint = (creator: string, position = 0) => ({ id: `wh_${creator}`, filter: { creatorIds: [creator] }, position });
const KNOWN = { events: 7, more: false, oldestAt: new Date(5) };
const UNKNOWN = { events: null, more: true, oldestAt: null };

describe('counting what endpoints are behind by', () => {
  it('gives each its turn, although one of them can never be counted in time', async () => {
    const { counter, counted, pass } = scene((creator) => (creator === 'slow' ? 60_000 : 400));
    const all = ['slow', 'a', 'b', 'c', 'd', 'e'].map((creator) => endpoint(creator));
    expect(await counter.ofList(all, HEAD)).toEqual(Array(6).fill(UNKNOWN));
    expect(counted.splice(0)).toEqual(['slow']);
    pass(3_000);
    expect(await counter.ofList(all, HEAD)).toEqual([UNKNOWN, KNOWN, KNOWN, KNOWN, UNKNOWN, UNKNOWN]);
    pass(3_000);
    expect(await counter.ofList(all, HEAD)).toEqual([UNKNOWN, KNOWN, KNOWN, KNOWN, KNOWN, KNOWN]);
    expect(counted.splice(0)).toEqual(['a', 'b', 'c', 'd', 'd', 'e']);
  });

  it('is done again when a count has become old, or the position has moved, and never for one at the head', async () => {
    const { counter, counted, pass } = scene(() => 1);
    await counter.ofList([endpoint('a')], HEAD);
    await counter.ofList([endpoint('a')], HEAD);
    expect(counted).toEqual(['a']);
    pass(COUNT_FRESH_MS);
    await counter.ofList([endpoint('a')], HEAD);
    await counter.ofList([endpoint('a', 5)], HEAD);
    expect(counted).toEqual(['a', 'a', 'a']);
    expect(await counter.ofList([endpoint('a', HEAD)], HEAD)).toEqual([{ events: 0, more: false, oldestAt: null }]);
    expect(counted).toHaveLength(3);
  });

  it('is done again after 100 times what it took', async () => {
    const { counter, counted, pass } = scene((creator) => (creator === 'quick' ? 4 : 200));
    const both = [endpoint('quick'), endpoint('slow')];
    await counter.ofList(both, HEAD);
    pass(199);
    await counter.ofList(both, HEAD);
    expect(counted).toEqual(['quick', 'slow']);
    pass(1);
    await counter.ofList(both, HEAD);
    expect(counted).toEqual(['quick', 'slow', 'quick']);
    pass(19_000);
    await counter.ofList([both[1]!], HEAD);
    pass(1_000);
    await counter.ofList([both[1]!], HEAD);
    expect(counted).toEqual(['quick', 'slow', 'quick', 'slow']);
  });

  it('holds three connections at most, and says that it does not know where there is none', async () => {
    const { counter, openMax } = scene(() => 1);
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => counter.ofOne(endpoint(`cr_${i}`))));
    expect(openMax()).toBe(3);
    expect(answers.filter(({ events }) => events === 7)).toHaveLength(3);
    expect(answers.filter(({ events }) => events === null)).toHaveLength(5);
    expect(await counter.ofOne(endpoint('cr_7'))).toEqual(KNOWN);
  });
});
