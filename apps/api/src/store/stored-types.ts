import type { Pool } from 'pg';
import type { EventFilter } from './filter.js';
import { typesLike } from './filter.js';

/**
 * The same filter with the stored types in the place of patterns, without types where every type is wanted. Ask after the head of the
 * log was read: then no event up to it has a type that is not listed.
 */
export async function withStoredTypes(pool: Pick<Pool, 'query'>, filter: EventFilter): Promise<EventFilter> {
  const { types, ...rest } = filter;
  if (!types || types.includes('*')) return rest;
  if (!types.some((type) => type.endsWith('*'))) return { ...rest, types: [...new Set(types)] };
  const params: unknown[] = [];
  const { rows } = await pool.query<{ type: string }>(`select type from event_types where ${typesLike(types, params)}`, params);
  return { ...rest, types: rows.map(({ type }) => type) };
}
