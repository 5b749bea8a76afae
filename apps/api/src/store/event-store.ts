import type { StoredEvent } from '@tributary/events';
import type { Pool } from 'pg';
import { type EventFilter, toSql } from './filter.js';

/** One page of events, ordered by position. */
export interface EventPage {
  events: StoredEvent[];
  /** The head of the log as the query saw it: with `more: false`, everything up to it was looked at. */
  head: number;
  /** Position up to which everything was looked at, in the direction of the order: where the next page goes on. */
  reached: number;
  more: boolean;
}

/** Bounds of a query: positions are exclusive. */
export interface PageOptions {
  after?: number;
  before?: number;
  order: 'asc' | 'desc';
  limit: number;
  /** Give the raw protobuf too, where it was stored. */
  raw?: boolean;
}

const COLUMNS = `seq::float8 as seq, id, type, creator_id as "creatorId", handle, room_id as "roomId", time, received_at as "receivedAt", data`;
const EXPORT_PAGE = 1_000;

type Row = Omit<StoredEvent, 'time' | 'receivedAt' | 'raw'> & { time: Date; receivedAt: Date; raw?: Buffer | null };

/** Queries over stored events. */
export class EventStore {
  constructor(private readonly pool: Pool) {}

  async head(): Promise<{ generation: number; seq: number; oldestSeq: number }> {
    const { rows } = await this.pool.query<{ generation: number; seq: number; oldestSeq: number }>(
      `select generation::float8 as generation, seq::float8 as seq, oldest_seq::float8 as "oldestSeq" from log_head`,
    );
    const [head] = rows;
    if (!head) throw new Error('log_head has no row: the database was not migrated, or was damaged');
    return head;
  }

  /** Matching events between two positions. The head is read first: numbers up to it are complete, later ones are left out. */
  async query(filter: EventFilter, { after, before, order, limit, raw }: PageOptions): Promise<EventPage> {
    const { seq: head } = await this.head();
    const params: unknown[] = [];
    const conditions = toSql(filter, params);
    conditions.push(`seq <= $${params.push(head)}`);
    if (after !== undefined) conditions.push(`seq > $${params.push(after)}`);
    if (before !== undefined) conditions.push(`seq < $${params.push(before)}`);
    const { rows } = await this.pool.query<Row>(
      `select ${COLUMNS}${raw ? ', raw' : ''} from events where ${conditions.join(' and ')} order by seq ${order} limit $${params.push(limit + 1)}`,
      params,
    );
    const events = rows.slice(0, limit).map(toEvent);
    const more = rows.length > limit;
    const end = order === 'asc' ? Math.max(head, after ?? 0) : (after ?? 0) + 1;
    return { events, head, reached: (more && events.at(-1)?.seq) || end, more };
  }

  async byId(id: string): Promise<StoredEvent | undefined> {
    const { rows } = await this.pool.query<Row>(`select ${COLUMNS}, raw from events where id = $1 limit 1`, [id]);
    return rows[0] ? toEvent(rows[0]) : undefined;
  }

  /** All matching events up to the head at the time of the call, page by page: memory stays flat. */
  async *stream(
    filter: EventFilter,
    { after = 0, order = 'asc' }: { after?: number; order?: 'asc' | 'desc' } = {},
  ): AsyncIterable<StoredEvent[]> {
    const { seq: head } = await this.head();
    let bounds: { after?: number; before?: number } = { after, before: head + 1 };
    for (;;) {
      const page = await this.query(filter, { ...bounds, order, limit: EXPORT_PAGE });
      if (page.events.length > 0) yield page.events;
      const last = page.events.at(-1);
      if (!page.more || !last) return;
      bounds = order === 'asc' ? { ...bounds, after: last.seq } : { ...bounds, before: last.seq };
    }
  }
}

function toEvent({ raw, ...row }: Row): StoredEvent {
  return { ...row, time: row.time.getTime(), receivedAt: row.receivedAt.getTime(), ...(raw ? { raw } : {}) };
}
