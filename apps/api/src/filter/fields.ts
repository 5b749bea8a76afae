import type { StoredEvent } from '@tributary/events';
import { toDate } from '../http/validators.js';
import { anyTextLike, escapeLike, lowerCase, textsOf, viewerOf } from './event-text.js';
import type { Bind, FilterField, IndexedCondition } from './field.js';

/** Values whose rows are merged out of an index; with more, a stretch of the log is looked through. */
const MERGED_MAX = 16;

const userId = {
  query: { name: 'user', description: 'a viewer: TikTok user id, or handle', format: { kind: 'text', lengthMax: 64 } },
  setting: {
    name: 'user',
    description: 'what one viewer does: TikTok user id, or handle; all viewers when absent or null',
    format: { kind: 'text', lengthMax: 64 },
    shown: 'TikTok user id, or handle; null: all',
  },
  read: (value: string) => value.replace(/^@/, ''),
  sql: (value, bind) => ((user) => `(user_id = ${user} or user_handle = lower(${user}))`)(bind(value)),
  test: (value) => {
    const wanted = lowerCase(value);
    return ({ data }: Pick<StoredEvent, 'data'>) => {
      const { id, handle } = viewerOf(data);
      return id === value || handle === wanted;
    };
  },
  // One text may be either.
  keys: [
    {
      of: (value) => new Set([value, lowerCase(value)]),
      ofEvent: ({ data }) => Object.values(viewerOf(data)).filter((name) => name !== undefined),
    },
  ],
  indexedConditions: (value) => [
    (bind) => `e.user_id = ${bind(value)}`,
    (bind) => ((user) => `e.user_handle = lower(${user}) and e.user_id is distinct from ${user}`)(bind(value)),
  ],
} satisfies FilterField<string>;

const roomFormat = { kind: 'text', lengthMax: 64, pattern: { regex: /^[\w.-]{0,64}$/, expected: 'a room id' } } as const;
const roomId = {
  query: { name: 'room', description: 'one room (stream), by its id', format: roomFormat },
  setting: {
    name: 'room',
    description: 'one room (stream), by its id; all when absent or null',
    format: roomFormat,
    shown: 'id; null: all',
  },
  read: (value: string) => value || undefined,
  sql: (value, bind) => `room_id = ${bind(value)}`,
  test:
    (value) =>
    ({ roomId: room }: Pick<StoredEvent, 'roomId'>) =>
      room === value,
  keys: [{ of: (value) => [value], ofEvent: ({ roomId: room }) => [room] }],
  indexedConditions: (value) => [(bind) => `e.room_id = ${bind(value)}`],
  isQuick: true,
} satisfies FilterField<string>;

const creatorIds = {
  query: {
    name: 'creator',
    description: 'repeated or comma separated: internal ids or handles, former handles included',
    format: { kind: 'texts', of: 'creator', itemsMax: 200, lengthMax: 64 },
  },
  setting: {
    name: 'creators',
    description: 'ids or handles of creators; all when absent or null',
    format: { kind: 'texts', of: 'creator', itemsMax: 1_000, lengthMax: 64 },
    shown: 'internal ids; null: all that its owner may see',
  },
  read: async (value: string[], name, lookup) => [...new Set(await lookup.creatorIds(value, name))],
  matchesNone: (value) => value.length === 0,
  // One through `=`: rows of one value of an index are in order already.
  sql: (value, bind) => (value.length === 1 ? `creator_id = ${bind(value[0])}` : `creator_id = any(${bind(value)})`),
  test: (value) => {
    const wanted = new Set(value);
    return ({ creatorId }: Pick<StoredEvent, 'creatorId'>) => wanted.has(creatorId);
  },
  keys: [{ of: (value) => value, ofEvent: ({ creatorId }) => [creatorId] }],
  indexedConditions: (value) => each(value, (id) => (bind) => `e.creator_id = ${bind(id)}`),
  isQuick: true,
} satisfies FilterField<string[]>;

const isPattern = (type: string) => type.endsWith('*');
const TYPES_EXAMPLE = ['tiktok.live.gift', 'monitor.*'];
const types = {
  query: {
    name: 'type',
    description: 'repeated or comma separated: event types, or patterns with a trailing `*`',
    format: { kind: 'types' },
    example: TYPES_EXAMPLE,
  },
  setting: {
    name: 'types',
    description: 'event types, or patterns with a trailing `*`; all when absent or null',
    format: { kind: 'types' },
    example: TYPES_EXAMPLE,
    shown: 'null: all',
  },
  matchesAll: (value) => value.includes('*'),
  matchesNone: (value) => value.length === 0,
  sql: (value, bind) => typesLike(value, bind),
  test: (value) => {
    const exact = new Set(value.filter((type) => !isPattern(type)));
    const beginnings = value.filter(isPattern).map((type) => type.slice(0, -1));
    return ({ type }: Pick<StoredEvent, 'type'>) => exact.has(type) || beginnings.some((beginning) => type.startsWith(beginning));
  },
  keys: [
    { of: (value) => value.filter((type) => !isPattern(type)), ofEvent: ({ type }) => [type] },
    { of: (value) => value.filter(isPattern).map((type) => type.slice(0, -1)), ofEvent: ({ type }) => beginningsOf(type) },
  ],
  indexedConditions: (value) => (value.some(isPattern) ? undefined : each(value, (type) => (bind) => `e.type = ${bind(type)}`)),
  lateIndex: 'events_type_seq_idx',
  // Patterns become the stored types that they stand for, which an index finds.
  stored: async (value, database) => {
    if (!value.some(isPattern)) return [...new Set(value)];
    const params: unknown[] = [];
    const condition = typesLike(value, (param) => `$${params.push(param)}`);
    const { rows } = await database.query<{ type: string }>(`select type from event_types where ${condition}`, params);
    return rows.map(({ type }) => type);
  },
} satisfies FilterField<string[]>;

const q = {
  query: {
    name: 'q',
    description: 'text that a comment, question or caption contains; case is ignored',
    format: { kind: 'text', lengthMax: 200 },
  },
  setting: {
    name: 'q',
    description: 'text that a comment, question or caption contains; case is ignored; anything when absent or null',
    format: { kind: 'text', lengthMax: 200 },
    shown: 'null: anything',
  },
  sql: (value, bind) => anyTextLike(bind(`%${escapeLike(value)}%`)),
  test: (value) => {
    const wanted = lowerCase(value);
    return ({ data }: Pick<StoredEvent, 'data'>) => textsOf(data).some((text) => lowerCase(text).includes(wanted));
  },
  // Those that want one text are asked once, however many they are.
  keys: [{ of: (value) => [value] }],
  indexedConditions: null,
} satisfies FilterField<string>;

const since = {
  query: { name: 'since', description: 'received at or after', format: { kind: 'instant' } },
  setting: null,
  read: (value: string) => toDate(value),
  sql: (value, bind) => `received_at >= ${bind(value)}`,
  test: (value) => {
    const ms = value.getTime();
    return ({ receivedAt }: Pick<StoredEvent, 'receivedAt'>) => receivedAt >= ms;
  },
  keys: null,
  indexedConditions: null,
  span: (value) => ({ since: value }),
} satisfies FilterField<Date>;

const until = {
  query: { name: 'until', description: 'received before', format: { kind: 'instant' } },
  setting: null,
  read: (value: string) => toDate(value),
  conflict: (value, filter: { since?: Date }) => (filter.since && value <= filter.since ? 'a time after since' : undefined),
  sql: (value, bind) => `received_at < ${bind(value)}`,
  test: (value) => {
    const ms = value.getTime();
    return ({ receivedAt }: Pick<StoredEvent, 'receivedAt'>) => receivedAt < ms;
  },
  keys: null,
  indexedConditions: null,
  span: (value) => ({ before: value }),
} satisfies FilterField<Date>;

/**
 * Everything that consumers may ask of events: REST, exports, live streams, webhooks and replays know these fields from here alone. In the
 * order in which they are looked for: what fewest events have comes first. CONTRIBUTING.md says how to add one.
 */
export const FILTER_FIELDS = { userId, roomId, creatorIds, types, q, since, until };

/** A condition for each different value, where they are few enough for their rows to be merged. */
function each(values: readonly string[], condition: (value: string) => IndexedCondition): IndexedCondition[] | undefined {
  const different = [...new Set(values)];
  return different.length > 0 && different.length <= MERGED_MAX ? different.map(condition) : undefined;
}

/** The condition for types and patterns of types. */
function typesLike(value: readonly string[], bind: Bind): string {
  const exact = value.filter((type) => !isPattern(type));
  const prefixes = value.filter(isPattern).map((type) => `${escapeLike(type.slice(0, -1))}%`);
  const either = [];
  if (exact.length > 0) either.push(`type = any(${bind(exact)})`);
  if (prefixes.length > 0) either.push(`type like any(${bind(prefixes)})`);
  return either.length > 0 ? `(${either.join(' or ')})` : 'false';
}

function* beginningsOf(text: string): Generator<string> {
  for (let i = 0; i <= text.length; i++) yield text.slice(0, i);
}
