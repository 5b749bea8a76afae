import { describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { DeliverySearch } from './delivery-search.js';
import type { DeliveryRow } from './delivery-store.js';

const COUNT = 10_000;
const idOf = (n: number) => `dlv_${String(n).padStart(10, '0')}`;

/** Deliveries of one event each, numbered from 1; every 1,500th is a gift. `askedMs`: how long one look at them takes. */
function scene(askedMs: number) {
  let ms = 0;
  const sizes: number[] = [];
  const list = (_endpoint: string, _filter: object, before: string | undefined, limit: number) => {
    ms += askedMs;
    const from = before === undefined ? COUNT : Number(before.slice(4)) - 1;
    const rows = Array.from({ length: Math.min(limit, from) }, (_, i) => from - i);
    sizes.push(rows.length);
    return Promise.resolve(rows.map((n) => ({ id: idOf(n), seqs: [n], test: false }) as unknown as DeliveryRow));
  };
  const query = (_text: string, [seqs]: [number[]]) =>
    Promise.resolve({
      rows: seqs.map((seq) => ({
        seq,
        id: `e${seq}`,
        type: seq % 1_500 === 0 ? 'tiktok.live.gift' : 'tiktok.live.chat',
        creatorId: 'a',
        handle: '',
      })),
    });
  const search = new DeliverySearch({ query } as unknown as Pool, { list }, () => ms);
  return { search, sizes };
}

describe('a search for deliveries by what they hold', () => {
  it('ends a page in time, with what it has found, and pages that follow find all of the rest once', async () => {
    const { search, sizes } = scene(800);
    const pages: string[][] = [];
    for (let before: string | undefined; ;) {
      const looks = sizes.length;
      const { found, next } = await search.page('wh', { types: ['tiktok.live.gift'] }, before, 50);
      // 1.5 s are two looks of 800 ms.
      expect(sizes.length - looks).toBeLessThanOrEqual(2);
      pages.push(found.map(({ row }) => row.id));
      if (next === undefined) break;
      before = next;
    }
    expect(pages.length).toBeGreaterThan(4);
    expect(pages.some((page) => page.length === 0)).toBe(true);
    expect(pages.flat()).toEqual([9_000, 7_500, 6_000, 4_500, 3_000, 1_500].map(idOf));
  });

  it('reads no more rows than it gives when nothing of their events is asked for', async () => {
    const { search, sizes } = scene(0);
    const { found, next } = await search.page('wh', {}, undefined, 3);
    expect([found.map(({ row }) => row.id), next]).toEqual([[10_000, 9_999, 9_998].map(idOf), idOf(9_998)]);
    expect(sizes).toEqual([4]);
  });

  it('goes on from a full page where it ended, also within what was looked at', async () => {
    const { search } = scene(0);
    const first = await search.page('wh', { types: ['tiktok.live.gift'] }, undefined, 2);
    expect([first.found.map(({ row }) => row.id), first.next]).toEqual([[9_000, 7_500].map(idOf), idOf(7_500)]);
    const last = await search.page('wh', { types: ['tiktok.live.gift'] }, first.next, 4);
    expect([last.found.map(({ row }) => row.id), last.next]).toEqual([[6_000, 4_500, 3_000, 1_500].map(idOf), undefined]);
  });

  it('shows and finds nothing of creators that are not allowed', async () => {
    const { search } = scene(0);
    const page = await search.page('wh', { allowedCreators: ['b'] }, undefined, 2);
    expect(page.found.map(({ events }) => events)).toEqual([[], []]);
    expect((await search.page('wh', { allowedCreators: ['b'], types: ['*'] }, undefined, 2)).found).toEqual([]);
    expect((await search.page('wh', { allowedCreators: ['a'], types: ['*'] }, undefined, 2)).found).toHaveLength(2);
  });
});
