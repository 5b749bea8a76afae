import type { Pool, PoolClient } from 'pg';
import { cutWindows, type Range, type Window } from './retention/windows.js';

/** Days without a partition of their own lie in one, under this name in event_ranges. */
const FAR = '0101-01-01';
const FAR_END = '0201-01-01';
/** Rows of event_ranges that one look reads. Most pages end in the first ones; 512 are about eight million numbers of a busy log. */
const RANGES_FIRST = 32;
const RANGES_NEXT = 512;

/** Where the log stands: `oldestSeq` is the smallest number that retention has left. */
export interface LogPoint {
  generation: number;
  seq: number;
  oldestSeq: number;
}

/** A part of the log, `from` < seq <= `until`; with times, only where something was received in `since` <= at < `before`. */
export interface Span {
  from: number;
  until: number;
  order: 'asc' | 'desc';
  since?: Date;
  before?: Date;
  /** A look that goes on from an earlier one reads further ahead. */
  goingOn?: boolean;
}

/** What a look at the ranges found: windows up to `reached`, in the direction of the order. */
export interface Look {
  head: LogPoint;
  windows: Window[];
  /** Everything up to here lies in `windows`: ascending, the last number looked at; descending, the number before the last. */
  reached: number;
}

/** The condition that confines a statement to these days; `params` grows by what it uses. Without it every partition is locked. */
export function inDays(days: readonly string[], params: unknown[], column = 'day'): string {
  const any = `${column} = any($${params.push(days)}::date[])`;
  return days.includes(FAR) ? `(${any} or ${column} >= '${FAR}' and ${column} < '${FAR_END}')` : any;
}

/** The same for a fixed text; `days` is a placeholder. The place of far days is always looked at. */
export function inDaysOrFar(days: string): string {
  return `(day = any(${days}::date[]) or day >= '${FAR}' and day < '${FAR_END}')`;
}

/** Knows from the table event_ranges in which days a part of the log lies. */
export class LogRanges {
  constructor(private readonly pool: Pool | PoolClient) {}

  /**
   * The windows of a span, those that come first. The head is read in the same statement: `until` ends at it, because numbers
   * up to it are complete. Ask again from `reached` until that is the span's end.
   */
  async look(span: Span, rangesMax = span.goingOn ? RANGES_NEXT : RANGES_FIRST): Promise<Look> {
    const { from, until, order, since, before } = span;
    const params: unknown[] = [from, Math.min(until, Number.MAX_SAFE_INTEGER)];
    const times = [
      ...(since ? [`received_to >= $${params.push(since)}`] : []),
      ...(before ? [`received_from < $${params.push(before)}`] : []),
    ].map((condition) => ` and ${condition}`);
    const { rows } = await this.pool.query<LogPoint & { day: string | null; first: number; last: number }>(
      `select h.generation::float8, h.seq::float8, h.oldest_seq::float8 as "oldestSeq", r.day::text, r.first_seq::float8 as first, r.last_seq::float8 as last
       from log_head h left join lateral (
         select * from event_ranges
         where block >= $1::bigint >> 14 and block <= least($2::bigint, h.seq) >> 14 and last_seq > $1 and first_seq <= least($2, h.seq)${times.join('')}
         order by block ${order}, ${order === 'asc' ? 'first_seq' : 'last_seq desc'} limit ${rangesMax}) r on true`,
      params,
    );
    const [row] = rows;
    if (!row) throw new Error('log_head has no row: the database was not migrated, or was damaged');
    const head = { generation: row.generation, seq: row.seq, oldestSeq: row.oldestSeq };
    const ranges = rows.flatMap(({ day, first, last }): Range[] => (day === null ? [] : [{ day, first, last }]));
    const bounds = { from, until: Math.min(until, head.seq) };
    const last = ranges.length === rangesMax ? ranges.at(-1) : undefined;
    // Ranges that were not read begin where the last one that was begins, or later.
    if (last && order === 'asc') bounds.until = Math.min(bounds.until, last.first - 1);
    if (last && order === 'desc') bounds.from = Math.max(bounds.from, last.last);
    // So many days lie over each other here that nothing was gained.
    if (last && bounds.from >= bounds.until) return this.look(span, rangesMax * 16);
    return {
      head,
      windows: cutWindows(ranges, { ...bounds, order }),
      reached: order === 'asc' ? Math.max(from, bounds.until) : bounds.from,
    };
  }

  /** The position before the first event received at or after `since`; the head of the log when there is none. */
  async positionAt(since: Date): Promise<number> {
    for (let from = 0; ;) {
      const { head, windows, reached } = await this.look({ from, until: Infinity, order: 'asc', since, goingOn: from > 0 });
      for (const window of windows) {
        const params: unknown[] = [window.from, window.until, since];
        const { rows } = await this.pool.query<{ seq: number }>(
          `select e.seq::float8 from events e where e.seq > $1 and e.seq <= $2 and e.received_at >= $3 and ${inDays(window.days, params, 'e.day')}
           order by e.seq limit 1`,
          params,
        );
        if (rows[0]) return rows[0].seq - 1;
      }
      if (reached >= head.seq) return head.seq;
      from = reached;
    }
  }
}

/** The days of numbers `from` < seq <= `until`, in the transaction of `client`. */
export async function daysBetween(client: Pool | PoolClient, from: number, until: number): Promise<string[]> {
  const { rows } = await client.query<{ day: string }>(
    `select distinct day::text from event_ranges
     where block >= $1::bigint >> 14 and block <= $2::bigint >> 14 and last_seq > $1 and first_seq <= $2`,
    [from, until],
  );
  return rows.map(({ day }) => day);
}
