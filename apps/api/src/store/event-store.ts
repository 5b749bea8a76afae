import { dayOfEvent, type StoredEvent, UNDATED } from '@tributary/events';
import type { Pool } from 'pg';
import { type EventFilter, toSql } from './filter.js';
import { type GenerationStart, type Head, reachOf } from './generations.js';

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
const QUERY_CANCELED = '57014';
/** A search grows its stretches after a quick one and shrinks them after a slow one; the longest stays far below any statement timeout. */
const SEARCH_QUICK_MS = 200;
const SEARCH_SLOW_MS = 600;
const STRETCH_NUMBERS_MAX = 320_000;
const NARROW_MS_MAX = 500;

type Row = Omit<StoredEvent, 'time' | 'receivedAt' | 'raw'> & { time: Date; receivedAt: Date; raw?: Buffer | null };

/** A part of the log: `from` < seq <= `until`. */
interface Stretch {
  from: number;
  until: number;
  order: 'asc' | 'desc';
  limit: number;
}

/** How a filter that lets little through is looked for: numbers in the first stretch, and time for one page in ms. */
export interface SearchBounds {
  numbers?: number;
  msMax?: number;
}

/** Queries over stored events. */
export class EventStore {
  private readonly searchNumbers: number;
  private readonly searchMsMax: number;
  /** Of the generation it ends with: what led to one never changes. */
  private history: readonly GenerationStart[] = [];

  constructor(
    private readonly pool: Pool,
    { numbers = 20_000, msMax = 2_000 }: SearchBounds = {},
  ) {
    this.searchNumbers = numbers;
    this.searchMsMax = msMax;
  }

  async head(): Promise<Head> {
    const { rows } = await this.pool.query<Omit<Head, 'history'>>(
      `select generation::float8 as generation, seq::float8 as seq, oldest_seq::float8 as "oldestSeq" from log_head`,
    );
    const [head] = rows;
    if (!head) throw new Error('log_head has no row: the database was not migrated, or was damaged');
    return { ...head, history: await this.historyOf(head.generation) };
  }

  /**
   * Begins a new generation, above `known` too, unless it is not `observed` any more: somebody has seen more of this log than
   * the database has. @returns the head after that
   */
  async raiseGeneration(observed: number, known: number): Promise<Head> {
    await this.pool.query('select log_raise($1, $2, $3)', [observed, known, 'a reader has seen more than the database has']);
    return this.head();
  }

  /**
   * Matching events between two positions. The head is read first: numbers up to it are complete, later ones are left out.
   * A filter that lets little through is looked for in one stretch of the log after another, and for a bounded time: the page
   * may then hold fewer events than `limit`, even none, with `more: true`; go on from `reached`.
   */
  async query(filter: EventFilter, { after, before, order, limit, raw }: PageOptions): Promise<EventPage> {
    const { seq: head } = await this.head();
    const from = after ?? 0;
    const until = Math.min(head, (before ?? Infinity) - 1);
    const columns = raw ? `${COLUMNS}, raw` : COLUMNS;
    const page = await (isSelective(filter)
      ? this.search(filter, columns, { from, until, order, limit })
      : this.fetch(filter, columns, { from, until, order, limit: limit + 1 }).then((rows) => ({ rows, stoppedAt: undefined })));
    const events = page.rows.slice(0, limit).map(toEvent);
    const end = order === 'asc' ? Math.max(until, from) : from + 1;
    if (page.rows.length > limit) return { events, head, reached: events.at(-1)!.seq, more: true };
    return { events, head, reached: page.stoppedAt ?? end, more: page.stoppedAt !== undefined };
  }

  /** The event of an id. It can only be in the day that its id names, or among the undated. */
  async byId(id: string, { raw = false } = {}): Promise<StoredEvent | undefined> {
    const { rows } = await this.pool.query<Row>(
      `select ${COLUMNS}${raw ? ', raw' : ''} from events where day = any($2::date[]) and id = $1 limit 1`,
      [id, [dayOfEvent(id), UNDATED]],
    );
    return rows[0] ? toEvent(rows[0]) : undefined;
  }

  /**
   * All matching events up to the head at the time of the call, page by page: memory stays flat.
   * @throws Error when the database was replaced by an older one on the way.
   */
  async *stream(
    filter: EventFilter,
    { after = 0, order = 'asc' }: { after?: number; order?: 'asc' | 'desc' } = {},
  ): AsyncIterable<StoredEvent[]> {
    const start = await this.head();
    let bounds: { after?: number; before?: number } = { after, before: start.seq + 1 };
    for (;;) {
      const page = await this.query(filter, { ...bounds, order, limit: EXPORT_PAGE });
      // Two halves of different logs are not a whole.
      if (reachOf(await this.head(), start.generation) < start.seq) throw new Error('the database was restored meanwhile');
      if (page.events.length > 0) yield page.events;
      if (!page.more) return;
      bounds = order === 'asc' ? { ...bounds, after: page.reached } : { ...bounds, before: page.reached };
    }
  }

  private async historyOf(generation: number): Promise<readonly GenerationStart[]> {
    const known = this.history;
    if (known.at(-1)?.generation === generation) return known;
    const { rows } = await this.pool.query<GenerationStart>(
      `select generation::float8 as generation, started_at_seq::float8 as "startedAtSeq" from log_generations
       where generation < $1 union all
       select $1::float8, coalesce((select started_at_seq from log_generations where generation = $1), 0)::float8 order by generation`,
      [generation],
    );
    this.history = rows;
    return rows;
  }

  /** Up to `limit` matching rows with `from` < seq <= `until`. */
  private async fetch(filter: EventFilter, columns: string, { from, until, order, limit }: Stretch): Promise<Row[]> {
    const params: unknown[] = [from, until];
    const conditions = ['seq > $1', 'seq <= $2', ...toSql(filter, params)];
    const { rows } = await this.pool.query<Row>(
      `select ${columns} from events where ${conditions.join(' and ')} order by seq ${order} limit $${params.push(limit)}`,
      params,
    );
    return rows;
  }

  /** Looks through stretches that grow while they are quick. `stoppedAt` is how far it came when time ran out before the end. */
  private async search(
    filter: EventFilter,
    columns: string,
    { order, limit, ...bounds }: Stretch,
  ): Promise<{ rows: Row[]; stoppedAt?: number }> {
    const deadline = performance.now() + this.searchMsMax;
    const rows: Row[] = [];
    let { from, until } = await this.narrow(filter, bounds);
    let numbers = this.searchNumbers;
    while (from < until) {
      const startedAt = performance.now();
      const stretch = order === 'asc' ? { from, until: Math.min(until, from + numbers) } : { from: Math.max(from, until - numbers), until };
      rows.push(...(await this.fetch(filter, columns, { ...stretch, order, limit: limit + 1 - rows.length })));
      if (rows.length > limit) break;
      if (order === 'asc') from = stretch.until;
      else until = stretch.from;
      const now = performance.now();
      if (now >= deadline && from < until) return { rows, stoppedAt: order === 'asc' ? from : until + 1 };
      if (now - startedAt < SEARCH_QUICK_MS) numbers = Math.min(numbers * 2, STRETCH_NUMBERS_MAX);
      else if (now - startedAt > SEARCH_SLOW_MS) numbers = Math.max(Math.ceil(numbers / 2), this.searchNumbers);
    }
    return { rows };
  }

  /**
   * Leaves out what retention has dropped, and what was not received in the time asked for: exactly, but only when that is
   * found quickly, for the order of the log is not quite that of reception.
   */
  private async narrow(filter: EventFilter, { from, until }: { from: number; until: number }): Promise<{ from: number; until: number }> {
    const { rows } = await this.pool.query<{ first: number | null }>(
      'select min(seq)::float8 as first from events where seq > $1 and seq <= $2',
      [from, until],
    );
    const first = rows[0]?.first ?? null;
    if (first === null) return { from: until, until };
    const bounds = { from: first - 1, until };
    if (!filter.since && !filter.until) return bounds;
    const found = await this.receivedBetween(filter, bounds);
    if (found === 'slow') return bounds;
    return found ? { from: found.first - 1, until: found.last } : { from: until, until };
  }

  /** First and last number received in the filter's time; 'slow' when there are too many to look at. */
  private async receivedBetween(
    { since, until: before }: EventFilter,
    { from, until }: { from: number; until: number },
  ): Promise<{ first: number; last: number } | 'slow' | undefined> {
    const params: unknown[] = [from, until];
    const times = toSql({ since, until: before }, params);
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query(`begin read only; set local statement_timeout = ${NARROW_MS_MAX}`);
      // The sums keep the planner from walking the index on seq in search of the first that matches.
      const { rows } = await client.query<{ first: number | null; last: number | null }>(
        `select min(seq + 0)::float8 as first, max(seq + 0)::float8 as last from events where seq > $1 and seq <= $2 and ${times.join(' and ')}`,
        params,
      );
      await client.query('commit');
      const { first = null, last = null } = rows[0] ?? {};
      return first === null || last === null ? undefined : { first, last };
    } catch (error) {
      await client.query('rollback').catch((failure: Error) => (broken = failure));
      if ((error as { code?: unknown }).code === QUERY_CANCELED) return 'slow';
      throw error;
    } finally {
      client.release(broken);
    }
  }
}

/** Whether most events may fail the filter, so that a page of matches can lie far apart. Creators and rooms have indexes that find theirs in order. */
function isSelective({ q, userId, types }: EventFilter): boolean {
  return q !== undefined || userId !== undefined || (types !== undefined && !types.includes('*'));
}

function toEvent({ raw, ...row }: Row): StoredEvent {
  return { ...row, time: row.time.getTime(), receivedAt: row.receivedAt.getTime(), ...(raw ? { raw } : {}) };
}
