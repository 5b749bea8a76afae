import { dayOfEvent, type StoredEvent, UNDATED } from '@tributary/events';
import type { Pool } from 'pg';
import { type EventFilter, matchesNone, spanOf, storedForm } from '../filter/filter.js';
import { isSearch, lateIndexOf, selectEvents } from './event-select.js';
import { GenerationHistory, type Head, lastValidSeqOf } from './writer/generations.js';
import { LogRanges } from './log-ranges.js';
import { farDay } from './retention/partition-names.js';
import { WINDOW_DAYS_MAX, type Window } from './retention/windows.js';

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

const COLUMNS = `e.seq::float8 as seq, e.id, e.type, e.creator_id as "creatorId", e.handle, e.room_id as "roomId", e.time,
  e.received_at as "receivedAt", e.data`;
const EXPORT_PAGE = 1_000;
/** A search grows its stretches after a quick one and shrinks them after a slow one; the longest stays far below any statement timeout. */
const SEARCH_QUICK_MS = 200;
const SEARCH_SLOW_MS = 600;
const STRETCH_NUMBERS_MAX = 320_000;

type Row = Omit<StoredEvent, 'time' | 'receivedAt' | 'raw'> & { time: Date; receivedAt: Date; raw?: Buffer | null };

/** How a filter that lets little through is looked for: numbers in the first stretch, and time for one page in ms. */
export interface SearchBounds {
  numbers?: number;
  msMax?: number;
}

/** Queries over stored events. */
export class EventStore {
  private readonly searchNumbers: number;
  private readonly searchMsMax: number;
  private readonly generations: GenerationHistory;
  private readonly ranges: LogRanges;
  /** Indexes that all partitions of a database have; once there, they stay. By what the pools of one database share, and the index. */
  private static readonly built = new Set<string>();
  private readonly database: string;

  constructor(
    private readonly pool: Pool,
    { numbers = 20_000, msMax = 2_000 }: SearchBounds = {},
  ) {
    this.searchNumbers = numbers;
    this.searchMsMax = msMax;
    this.ranges = new LogRanges(pool);
    this.generations = new GenerationHistory(pool);
    this.database = pool.options?.connectionString ?? '';
  }

  async head(): Promise<Head> {
    const { rows } = await this.pool.query<Omit<Head, 'history'>>(
      `select generation::float8 as generation, seq::float8 as seq, oldest_seq::float8 as "oldestSeq" from log_head`,
    );
    const [head] = rows;
    if (!head) throw new Error('log_head has no row: the database was not migrated, or was damaged');
    return { ...head, history: await this.generations.upTo(head.generation) };
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
   * The log is looked through in one stretch after another, and for a bounded time: the page may then hold fewer events than
   * `limit`, even none, with `more: true`; go on from `reached`.
   */
  async query(filter: EventFilter, { after, before, order, limit, raw }: PageOptions): Promise<EventPage> {
    const deadline = performance.now() + this.searchMsMax;
    const asc = order === 'asc';
    let span = { ...spanOf(filter), from: after ?? 0, until: (before ?? Infinity) - 1, order, goingOn: false };
    let look = await this.ranges.look(span);
    const head = look.head.seq;
    const [from, until] = [span.from, Math.min(head, span.until)];
    const exact = await storedForm(this.pool, filter);
    if (matchesNone(exact)) look = { ...look, windows: [], reached: asc ? until : from };
    const columns = raw ? `${COLUMNS}, e.raw` : COLUMNS;
    const index = lateIndexOf(exact);
    const isBounded = isSearch(exact) || (index !== undefined && !(await this.isBuilt(index)));
    const pace = { numbers: isBounded ? this.searchNumbers : Infinity };
    const rows: Row[] = [];
    for (;;) {
      for (const window of look.windows) {
        for (const stretch of this.stretches(window, order, pace)) {
          rows.push(...(await this.fetch(exact, columns, stretch, { order, limit: limit + 1 - rows.length })));
          if (rows.length > limit) {
            const events = rows.slice(0, limit).map(toEvent);
            return { events, head, reached: events.at(-1)!.seq, more: true };
          }
          const [reached, rest] = asc ? [stretch.until, until - stretch.until] : [stretch.from + 1, stretch.from - from];
          if (rest > 0 && performance.now() >= deadline) return { events: rows.map(toEvent), head, reached, more: true };
        }
      }
      if (asc ? look.reached >= until : look.reached <= from) break;
      span = { ...span, ...(asc ? { from: look.reached, until } : { until: look.reached }), goingOn: true };
      look = await this.ranges.look(span);
    }
    return { events: rows.map(toEvent), head, reached: asc ? Math.max(until, from) : from + 1, more: false };
  }

  /** The position before the first event received at or after `since`; the head of the log when there is none. */
  positionAt(since: Date): Promise<number> {
    return this.ranges.positionAt(since);
  }

  /** The event of an id. It can only be in the day that its id names, in the place of far days, or among the undated. */
  async byId(id: string, { raw = false } = {}): Promise<StoredEvent | undefined> {
    const { rows } = await this.pool.query<Row>(
      `select ${COLUMNS}${raw ? ', e.raw' : ''} from events e where e.day = any($2::date[]) and e.id = $1 limit 1`,
      [id, [dayOfEvent(id), farDay(dayOfEvent(id)), UNDATED]],
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
      if (lastValidSeqOf(await this.head(), start.generation) < start.seq) throw new Error('the database was restored meanwhile');
      if (page.events.length > 0) yield page.events;
      if (!page.more) return;
      bounds = order === 'asc' ? { ...bounds, after: page.reached } : { ...bounds, before: page.reached };
    }
  }

  /** Up to `limit` matching rows of a window. Days in which too many lie over each other are read in groups. */
  private async fetch(
    filter: EventFilter,
    columns: string,
    { days, ...bounds }: Window,
    page: { order: 'asc' | 'desc'; limit: number },
  ): Promise<Row[]> {
    const rows: Row[] = [];
    for (let i = 0; i < days.length; i += WINDOW_DAYS_MAX) {
      const group = selectEvents(columns, filter, { ...bounds, days: days.slice(i, i + WINDOW_DAYS_MAX) }, page);
      rows.push(...(await this.pool.query<Row>(group)).rows);
    }
    if (days.length <= WINDOW_DAYS_MAX) return rows;
    return rows.sort((a, b) => (page.order === 'asc' ? a.seq - b.seq : b.seq - a.seq)).slice(0, page.limit);
  }

  /** Cuts a window into stretches that grow while they are quick. */
  private *stretches({ from, until, days }: Window, order: 'asc' | 'desc', pace: { numbers: number }): Generator<Window> {
    while (from < until) {
      const startedAt = performance.now();
      if (order === 'asc') {
        const next = Math.min(until, from + pace.numbers);
        yield { from, until: next, days };
        from = next;
      } else {
        const next = Math.max(from, until - pace.numbers);
        yield { from: next, until, days };
        until = next;
      }
      if (pace.numbers === Infinity) continue;
      const ms = performance.now() - startedAt;
      if (ms < SEARCH_QUICK_MS) pace.numbers = Math.min(pace.numbers * 2, STRETCH_NUMBERS_MAX);
      else if (ms > SEARCH_SLOW_MS) pace.numbers = Math.max(Math.ceil(pace.numbers / 2), this.searchNumbers);
    }
  }

  /** Whether every partition has an index: after an update from a version without, they are built one by one. */
  private async isBuilt(index: string): Promise<boolean> {
    const key = `${this.database} ${index}`;
    if (EventStore.built.has(key)) return true;
    const { rows } = await this.pool.query<{ valid: boolean }>(
      `select indisvalid as valid from pg_index where indexrelid = to_regclass($1)`,
      [index],
    );
    if (rows[0]?.valid) EventStore.built.add(key);
    return rows[0]?.valid === true;
  }
}

function toEvent({ raw, ...row }: Row): StoredEvent {
  return { ...row, time: row.time.getTime(), receivedAt: row.receivedAt.getTime(), ...(raw ? { raw } : {}) };
}
