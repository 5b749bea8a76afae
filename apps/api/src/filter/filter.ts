import type { StoredEvent } from '@tributary/events';
import type { Pool } from 'pg';
import type { Bind, FilterField } from './field.js';
import { FILTER_FIELDS } from './fields.js';

type Fields = typeof FILTER_FIELDS;
type ValueOf<F> = F extends { sql(value: infer V, bind: Bind): string } ? V : never;

/** The name of a field. */
export type FieldName = keyof Fields;

/** Which events a reader wants: every field that is there must hold. Never changed once it is made. */
export type EventFilter = { readonly [K in FieldName]?: ValueOf<Fields[K]> };

/** A field that is asked for, and with which value. */
export interface FilterPart {
  name: FieldName;
  field: FilterField<unknown>;
  value: unknown;
}

/** The table as a list, in its order. */
export const FIELDS = Object.entries(FILTER_FIELDS) as [FieldName, FilterField<unknown>][];

/** What a filter asks for, without what lets everything through, in the order of the table. */
export function partsOf(filter: EventFilter): FilterPart[] {
  return FIELDS.flatMap(([name, field]) => {
    const value: unknown = filter[name];
    return value === undefined || field.matchesAll?.(value) ? [] : [{ name, field, value }];
  });
}

/** Whether no event can pass. */
export function matchesNone(filter: EventFilter): boolean {
  return partsOf(filter).some(({ field, value }) => field.matchesNone?.(value));
}

/** A test of events in memory: the same verdict as the conditions in SQL. */
export function testOf(filter: EventFilter): (event: StoredEvent) => boolean {
  const tests = partsOf(filter).map(({ field, value }) => field.test(value));
  return (event) => tests.every((test) => test(event));
}

const known = new WeakMap<EventFilter, (event: StoredEvent) => boolean>();

/** Whether an event passes; the test of a filter is made once. */
export function matches(filter: EventFilter, event: StoredEvent): boolean {
  let test = known.get(filter);
  if (!test) known.set(filter, (test = testOf(filter)));
  return test(event);
}

/** The times of receipt between which all matching events lie. */
export function spanOf(filter: EventFilter): { since?: Date; before?: Date } {
  return Object.assign({}, ...partsOf(filter).map(({ field, value }) => field.span?.(value) ?? {})) as { since?: Date; before?: Date };
}

/** The same filter for a reader that may see these creators alone; undefined: every creator. */
export function limitedTo(filter: EventFilter, allowedCreators: readonly string[] | undefined): EventFilter {
  if (!allowedCreators) return filter;
  const visible = new Set(allowedCreators);
  return { ...filter, creatorIds: filter.creatorIds?.filter((id) => visible.has(id)) ?? [...allowedCreators] };
}

/**
 * The same filter in terms of what is stored, for statements over events. Ask after the head of the log was read: then it holds for every
 * event up to it.
 */
export async function storedForm(database: Pick<Pool, 'query'>, filter: EventFilter): Promise<EventFilter> {
  const parts = partsOf(filter).map(
    async ({ name, field, value }) => [name, field.stored ? await field.stored(value, database) : value] as const,
  );
  return Object.fromEntries(await Promise.all(parts));
}

/**
 * A filter as it was stored for an endpoint.
 * @throws Error for a field that this version does not know: without it, more would be sent than was asked for
 */
export function readStoredFilter(stored: Readonly<Record<string, unknown>>): EventFilter {
  const names = FIELDS.flatMap(([name, { setting }]): string[] => (setting ? [name] : []));
  const strange = Object.keys(stored).filter((name) => !names.includes(name));
  if (strange.length > 0) throw new Error(`a stored filter asks for ${strange.join(', ')}, which this version does not know`);
  return stored;
}
