import type { StoredEvent } from '@tributary/events';

/** Which events a reader wants; every given part must hold. The same filter serves REST, SSE, WebSocket and webhooks. */
export interface EventFilter {
  creatorIds?: string[];
  roomId?: string;
  /** Exact types, or patterns with a trailing `*`. */
  types?: string[];
  /** A viewer: TikTok user id, or handle without @. */
  userId?: string;
  /** Text that a comment, question or caption contains; case is ignored. */
  q?: string;
  /** Bounds on when the event was received: since <= receivedAt < until. */
  since?: Date;
  until?: Date;
}

/** The fields of data that free text search looks at, in the database and in memory alike. */
const TEXT_FIELDS = ['comment', 'question', 'text'] as const;

/** SQL conditions of a filter; `params` grows by what they use. */
export function toSql(filter: EventFilter, params: unknown[]): string[] {
  const conditions: string[] = [];
  const bind = (value: unknown) => `$${params.push(value)}`;
  const [creatorId, ...others] = filter.creatorIds ?? [];
  // One through `=`: rows of one value of an index are in order already.
  if (creatorId !== undefined && others.length === 0) conditions.push(`creator_id = ${bind(creatorId)}`);
  else if (filter.creatorIds) conditions.push(`creator_id = any(${bind(filter.creatorIds)})`);
  if (filter.roomId) conditions.push(`room_id = ${bind(filter.roomId)}`);
  if (filter.types && !filter.types.includes('*')) conditions.push(typesLike(filter.types, params));
  if (filter.userId) {
    const user = bind(filter.userId);
    conditions.push(`(user_id = ${user} or user_handle = lower(${user}))`);
  }
  if (filter.q) {
    const text = bind(`%${escapeLike(filter.q)}%`);
    const fields = TEXT_FIELDS.map((field) => textLike('data', field, text));
    conditions.push(`(${fields.join(' or ')} or ${anyCaption(text)})`);
  }
  if (filter.since) conditions.push(`received_at >= ${bind(filter.since)}`);
  if (filter.until) conditions.push(`received_at < ${bind(filter.until)}`);
  return conditions;
}

/** The condition for types and patterns of types; `params` grows by what it uses. */
export function typesLike(types: readonly string[], params: unknown[]): string {
  const bind = (value: unknown) => `$${params.push(value)}`;
  const exact = types.filter((type) => !type.endsWith('*'));
  const prefixes = types.filter((type) => type.endsWith('*')).map((type) => `${escapeLike(type.slice(0, -1))}%`);
  const either = [];
  if (exact.length > 0) either.push(`type = any(${bind(exact)})`);
  if (prefixes.length > 0) either.push(`type like any(${bind(prefixes)})`);
  return either.length > 0 ? `(${either.join(' or ')})` : 'false';
}

/** Whether a live event passes the filter; the same verdict as {@link toSql}. */
export function matches(filter: EventFilter, event: StoredEvent): boolean {
  if (filter.creatorIds && !filter.creatorIds.includes(event.creatorId)) return false;
  if (filter.roomId && filter.roomId !== event.roomId) return false;
  if (filter.types && !filter.types.some((type) => (type.endsWith('*') ? event.type.startsWith(type.slice(0, -1)) : type === event.type)))
    return false;
  const data = event.data as Record<string, unknown>;
  if (filter.userId) {
    const { id, handle } = viewerOf(data);
    if (id !== filter.userId && handle !== lowerCase(filter.userId)) return false;
  }
  if (filter.q) {
    const wanted = lowerCase(filter.q);
    const captions = Array.isArray(data.texts) ? (data.texts as ({ text?: unknown } | null)[]) : [];
    const found = [...TEXT_FIELDS.map((field) => data[field]), ...captions.map((caption) => caption?.text)];
    if (!found.some((text) => typeof text === 'string' && lowerCase(text).includes(wanted))) return false;
  }
  if (filter.since && event.receivedAt < filter.since.getTime()) return false;
  return !(filter.until && event.receivedAt >= filter.until.getTime());
}

/** Lower case as PostgreSQL makes it, character by character: JavaScript writes one Turkish letter as two, and a last sigma in another form. */
export function lowerCase(text: string): string {
  return (/[İΣ]/.test(text) ? text.replaceAll('İ', 'i').replaceAll('Σ', 'σ') : text).toLowerCase();
}

/** The viewer of an event as the store keeps it: TikTok's id, where it is one, and the handle in lower case. */
export function viewerOf(data: object): { id?: string; handle?: string } {
  const { user } = data as { user?: { id?: unknown; uniqueId?: unknown } | null };
  const id = plainText(user?.id);
  const handle = plainText(user?.uniqueId);
  return { id: id === '' || id === '0' ? undefined : id, handle: handle === undefined ? undefined : lowerCase(handle) };
}

/** A value as `->>` gives it, for all that a viewer may be asked for by. */
function plainText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** A field that is a text and contains another; `->>` alone would give the JSON of an object too. */
function textLike(object: string, field: string, text: string): string {
  return `(${object}->>'${field}' ilike ${text} and jsonb_typeof(${object}->'${field}') = 'string')`;
}

/** Captions carry several texts. The case keeps the function from data whose `texts` is something else. */
function anyCaption(text: string): string {
  const texts = `jsonb_array_elements(case jsonb_typeof(data->'texts') when 'array' then data->'texts' else '[]' end)`;
  return `(data ? 'texts' and exists (select from ${texts} as caption where ${textLike('caption', 'text', text)}))`;
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
