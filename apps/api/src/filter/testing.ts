import type { EventDraft } from '@tributary/events';
import type { EventFilter, FieldName } from './filter.js';

/** Gives a number from 0 to below `n`. */
export type Random = (n: number) => number;

/** How values of a field are made up, and the part of events that it asks for. */
interface FieldGenerator<V> {
  value(random: Random): V;
  /** Both, what has the field and what has not, must come up. Objects of `data` are put together. */
  event(random: Random): Partial<EventDraft>;
}

const WORDS = [
  'hello',
  'HELLO there',
  'É',
  'é',
  'ΟΔΟΣ',
  'οδος',
  'İstanbul',
  'istanbul',
  'Straße',
  'STRASSE',
  '100% _s',
  'a\\b',
  '0',
  '5',
  'ДА',
  'да',
  '你好',
  '🎁x',
];
const TYPES = ['tiktok.live.chat', 'tiktok.live.gift', 'tiktok.live.like', 'tiktok.live.likely', 'monitor.gap', 'monitor.live'];
const PATTERNS = [
  ...TYPES,
  'tiktok.live.*',
  'monitor.*',
  'tiktok.live.like*',
  '*',
  'tiktok.live.chat,tiktok.live.gift',
  'tiktok_live_*',
  'nothing.*',
];
const IDS = ['5', '0', '', '7', 'viewer.five', 'É'];
/** More creators than are merged out of an index. */
const CREATORS = ['cr_a', 'cr_b', 'cr_c', ...Array.from({ length: 17 }, (_, i) => `cr_${i}`)];
const START = Date.UTC(2026, 10, 22, 10);

const oneOf = <T>(random: Random, items: readonly T[]): T => items[random(items.length)]!;

/** Some of these, perhaps none, perhaps one twice. */
const someOf = (random: Random, items: readonly string[], most: number) =>
  Array.from({ length: random(most + 1) }, () => oneOf(random, items));

/** A value as TikTok would send it, or as nobody would. */
const valueOf = (random: Random): unknown =>
  oneOf<() => unknown>(random, [
    () => oneOf(random, WORDS),
    () => oneOf(random, WORDS),
    () => random(9),
    () => null,
    () => ({ is: oneOf(random, WORDS) }),
    () => [oneOf(random, WORDS)],
  ])();

const userOf = (random: Random): unknown =>
  oneOf<() => unknown>(random, [
    () => ({ id: oneOf(random, IDS), uniqueId: oneOf(random, ['Viewer.Five', 'viewer.five', 'É', 'other', '5']) }),
    () => ({ id: oneOf(random, IDS) }),
    () => ({ uniqueId: valueOf(random) }),
    () => ({ id: random(9), uniqueId: 'numbers' }),
    () => oneOf(random, [null, 'text', 5, []]),
  ])();

const timeOf = (random: Random) => START + random(40) * 250;
const atOf = (random: Random) => ({ value: () => new Date(START + random(44) * 250), event: () => ({ receivedAt: timeOf(random) }) });

/** For each field of the table. A field without one fails filter-equality.int-spec.ts, and does not compile. */
export const GENERATORS: { readonly [K in FieldName]: FieldGenerator<NonNullable<EventFilter[K]>> } = {
  userId: {
    value: (random) => oneOf(random, [...IDS.filter((id) => id !== ''), 'VIEWER.FIVE', 'numbers', '3', 'é']),
    event: (random) => ({ data: random(4) > 0 ? { user: userOf(random) } : {} }),
  },
  roomId: { value: (random) => oneOf(random, ['1', '2', '3']), event: (random) => ({ roomId: oneOf(random, ['1', '2', '']) }) },
  creatorIds: {
    value: (random) => oneOf(random, [() => someOf(random, CREATORS, 3), () => someOf(random, CREATORS, 40)])(),
    event: (random) => ({ creatorId: oneOf(random, CREATORS) }),
  },
  types: { value: (random) => someOf(random, PATTERNS, 2), event: (random) => ({ type: oneOf(random, TYPES) }) },
  q: {
    value: (random) => oneOf(random, [...WORDS, '%', '_', '\\', 'o', 'S', 'ο']),
    event: (random) => ({
      data: {
        ...Object.fromEntries(['comment', 'question', 'text'].flatMap((field) => (random(3) === 0 ? [[field, valueOf(random)]] : []))),
        ...(random(4) === 0
          ? {
              texts: oneOf<() => unknown>(random, [
                () => [{ text: valueOf(random) }, oneOf(random, [null, 'x', {}])],
                () => valueOf(random),
              ])(),
            }
          : {}),
      },
    }),
  },
  since: { value: (random) => atOf(random).value(), event: (random) => atOf(random).event() },
  until: { value: (random) => atOf(random).value(), event: (random) => atOf(random).event() },
};

/** Numbers that are the same for the same seed. */
export function randoms(seed: number): Random {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** The part of an event that all fields together make up. */
export function generatedEvent(random: Random): Partial<EventDraft> {
  let made: Partial<EventDraft> = {};
  for (const generator of Object.values(GENERATORS)) {
    const part = generator.event(random);
    made = { ...made, ...part, data: { ...made.data, ...part.data } };
  }
  return made;
}

/** A filter that asks for each of these fields with the odds of one to `oneIn`. */
export function generatedFilter(random: Random, fields: readonly FieldName[], oneIn: number): EventFilter {
  const asked = fields.filter(() => random(oneIn) === 0);
  return Object.fromEntries(asked.map((name) => [name, GENERATORS[name].value(random)]));
}
