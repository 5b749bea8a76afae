import { type EventFilter, toSql } from './filter.js';
import { inDays } from './log-ranges.js';
import type { Window } from './windows.js';

/** Values whose rows are merged out of an index, each in order; with more, a bounded stretch of the log is looked through. */
const BRANCHES_MAX = 16;

/** How a filter's rows are found. */
interface Access {
  /** Conditions that exclude each other; an index gives the rows of each in the order of the log. */
  branches: ((bind: (value: unknown) => string) => string)[];
  /** What the rows of a branch must pass besides. */
  rest: EventFilter;
}

/** Whether rows may have to be read that the filter refuses: then a page of matches can lie far apart. */
export function isSearch(filter: EventFilter): boolean {
  const { rest } = accessOf(filter);
  return Object.values(rest).some((value) => value !== undefined);
}

/** A statement over events, aliased `e`, that reads up to `limit` matching rows of a window in the order of the log. */
export function selectEvents(
  columns: string,
  filter: EventFilter,
  { from, until, days }: Window,
  { order, limit }: { order: 'asc' | 'desc'; limit: number },
): { text: string; values: unknown[] } {
  const values: unknown[] = [from, until, limit];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const { branches, rest } = accessOf(filter);
  const common = ['e.seq > $1', 'e.seq <= $2', inDays(days, values, 'e.day'), ...toSql(rest, values)];
  // By the column: an alias of the same name would be the computed value, which no index has in order.
  const select = (what: string, conditions: string[]) =>
    `select ${what} from events e where ${conditions.join(' and ')} order by e.seq ${order} limit $3`;
  if (branches.length === 0) return { text: select(columns, common), values };
  const parts = branches.map((branch) => [...common, branch(bind)]);
  const [only, ...others] = parts;
  if (only && others.length === 0) return { text: select(columns, only), values };
  const union = parts.map((conditions) => `(${select('*', conditions)})`).join(' union all ');
  return { text: `select ${columns} from (${union}) e order by e.seq ${order} limit $3`, values };
}

function accessOf(filter: EventFilter): Access {
  const { creatorIds, roomId, types, userId, ...rest } = filter;
  if (userId) {
    return {
      branches: [
        (bind) => `e.user_id = ${bind(userId)}`,
        (bind) => ((user) => `e.user_handle = lower(${user}) and e.user_id is distinct from ${user}`)(bind(userId)),
      ],
      rest: { ...rest, creatorIds, roomId, types: narrowing(types) },
    };
  }
  if (roomId) return { branches: [(bind) => `e.room_id = ${bind(roomId)}`], rest: { ...rest, creatorIds, types: narrowing(types) } };
  const exact = narrowing(types);
  const fewCreators = few(creatorIds);
  if (fewCreators) return { branches: fewCreators.map((id) => (bind) => `e.creator_id = ${bind(id)}`), rest: { ...rest, types: exact } };
  const fewTypes = few(exact);
  if (fewTypes && creatorIds === undefined && !fewTypes.some((type) => type.endsWith('*'))) {
    return { branches: fewTypes.map((type) => (bind) => `e.type = ${bind(type)}`), rest };
  }
  return { branches: [], rest: { ...rest, creatorIds, types: exact } };
}

function narrowing(types: string[] | undefined): string[] | undefined {
  return types?.includes('*') ? undefined : types;
}

/** Different values, few enough to be merged. */
function few(values: string[] | undefined): string[] | undefined {
  const different = [...new Set(values)];
  return different.length > 0 && different.length <= BRANCHES_MAX ? different : undefined;
}
