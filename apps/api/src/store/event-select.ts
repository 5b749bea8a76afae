import type { Bind, IndexedCondition } from '../filter/field.js';
import { type EventFilter, type FilterPart, partsOf } from '../filter/filter.js';
import { inDays } from './log-ranges.js';
import type { Window } from './retention/windows.js';

/** How a filter's rows are found. */
interface Access {
  /** Conditions that exclude each other; an index gives the rows of each in the order of the log. */
  conditions: IndexedCondition[];
  /** The field that they are of. */
  by?: FilterPart;
  /** What the rows of each must pass besides. */
  rest: FilterPart[];
}

/** Whether rows may have to be read that the filter refuses: then a page of matches can lie far apart. */
export function isSearch(filter: EventFilter): boolean {
  return accessOf(filter).rest.length > 0;
}

/** Whether a page may have to look at far more events than it gives. */
export function isCostly(filter: EventFilter): boolean {
  return isSearch(filter) || partsOf(filter).some(({ field }) => !field.isQuick);
}

/** The index that a statement needs and that may still be built; undefined where there is none. */
export function lateIndexOf(filter: EventFilter): string | undefined {
  return accessOf(filter).by?.field.lateIndex;
}

/** A statement over events, aliased `e`, that reads up to `limit` matching rows of a window in the order of the log. */
export function selectEvents(
  columns: string,
  filter: EventFilter,
  { from, until, days }: Window,
  { order, limit }: { order: 'asc' | 'desc'; limit: number },
): { text: string; values: unknown[] } {
  const values: unknown[] = [from, until, limit];
  const bind: Bind = (value) => `$${values.push(value)}`;
  const { conditions, rest } = accessOf(filter);
  const common = ['e.seq > $1', 'e.seq <= $2', inDays(days, values, 'e.day'), ...conditionsOf(rest, bind)];
  // By the column: an alias of the same name would be the computed value, which no index has in order.
  const select = (what: string, all: string[]) =>
    `select ${what} from events e where ${all.join(' and ')} order by e.seq ${order} limit $3`;
  if (conditions.length === 0) return { text: select(columns, common), values };
  const parts = conditions.map((condition) => [...common, condition(bind)]);
  const [only, ...others] = parts;
  if (only && others.length === 0) return { text: select(columns, only), values };
  const union = parts.map((all) => `(${select('*', all)})`).join(' union all ');
  return { text: `select ${columns} from (${union}) e order by e.seq ${order} limit $3`, values };
}

/** By the first field in the order of the table that can lead to rows, where its value does. */
function accessOf(filter: EventFilter): Access {
  const parts = partsOf(filter);
  const by = parts.find(({ field }) => field.indexedConditions !== null);
  const conditions = by?.field.indexedConditions?.(by.value);
  return by && conditions ? { conditions, by, rest: parts.filter((part) => part !== by) } : { conditions: [], rest: parts };
}

function conditionsOf(parts: readonly FilterPart[], bind: Bind): string[] {
  return parts.map(({ field, value }) => field.sql(value, bind));
}
