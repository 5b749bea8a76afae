import { allowLong } from '@tributary/runtime';
import type { Pool, PoolClient } from 'pg';
import { inDays, LogRanges } from '../log-ranges.js';
import { dayOfPartition, partitionOf } from './partition-names.js';
import { WINDOW_DAYS_MAX } from './windows.js';

const DAY_MS = 86_400_000;
const RETENTION_LOCK = 7_241_002;
/** How long one step of DDL may wait for readers; what did not get its turn is done in the next run. */
const DDL_WAIT_MS = 2_000;
const STATEMENT_MS_MAX = 300_000;
/** A batch of deletes: 256 pages of 8 KiB hold a few thousand rows. */
const BATCH_PAGES = 256;
const BATCH_ROWS = 5_000;
const BATCH_ROOMS = 100;
/** Before it lie the places of far days and of undated events. */
const FIRST_DAY = '0201-01-01';
/** Comment on the table of a day that retention takes away: should it stop in the middle, a later run knows it again. */
const EXPIRED = 'past its retention';
/** Lock not available in time; statement timed out; another partition waits for the end of its detaching; in use. */
const BUSY = new Set(['55P03', '57014', '55000', '55006']);

interface Doomed {
  name: string;
  day: string;
  /** Something in it was received within the retention: only what is old goes. */
  partly: boolean;
  first: number | null;
  last: number | null;
}

/**
 * Takes the days that ended more than `retentionDays` ago out of the log, and returns the names of their partitions. A day in
 * which something was received later loses only what is old, in small batches. The log's head is locked only for the one
 * update of `oldest_seq`. Readers of any length delay the work until a later run; they, and commits, never wait for it.
 */
export async function dropOlderThan(pool: Pool, retentionDays: number, signal?: AbortSignal): Promise<string[]> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await allowLong(client, STATEMENT_MS_MAX);
    await client.query(`set statement_timeout = ${STATEMENT_MS_MAX}; set lock_timeout = ${DDL_WAIT_MS}`);
    const { rows } = await client.query<{ mine: boolean; cutoff: Date }>(
      'select pg_try_advisory_lock($1) as mine, now() - make_interval(days => $2) as cutoff',
      [RETENTION_LOCK, retentionDays],
    );
    if (!rows[0]?.mine) return [];
    return await new Retention(client, rows[0].cutoff, signal).run();
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    // The session ends with its settings and its lock, unless all went well.
    if (!broken) {
      await client
        .query(`select pg_advisory_unlock_all(); reset statement_timeout; reset lock_timeout`)
        .catch((failure: Error) => (broken = failure));
    }
    client.release(broken);
  }
}

/** One run, over one connection. */
class Retention {
  constructor(
    private readonly client: PoolClient,
    private readonly cutoff: Date,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async run(): Promise<string[]> {
    const dropped: string[] = [];
    await this.finishEarlier(dropped);
    const doomed = await this.doomed();
    await this.declareOldest(doomed);
    for (const { name, day, partly } of doomed) {
      if (this.signal?.aborted) return dropped;
      if (partly) await this.deleteOld(name);
      else if (await this.detach(name)) {
        dropped.push(name);
        await this.drop(name, day);
      } else break;
    }
    for (const name of ['events_undated', 'events_far', ...(await this.ahead())]) await this.deleteOld(name);
    await this.deletePeople();
    return dropped;
  }

  /** What an earlier run had to leave: partitions that wait for the end of their detaching, and tables that are no partitions any more. */
  private async finishEarlier(dropped: string[]): Promise<void> {
    const { rows } = await this.client.query<{ name: string; pending: boolean }>(
      `select c.relname as name, i.inhrelid is not null as pending from pg_class c left join pg_inherits i on i.inhrelid = c.oid
       where c.relnamespace = (select relnamespace from pg_class where oid = 'events'::regclass) and c.relkind = 'r'
         and c.relname ~ '^events_[0-9]{8}$' and (i.inhdetachpending or (i.inhrelid is null and obj_description(c.oid, 'pg_class') = $1))`,
      [EXPIRED],
    );
    for (const { name, pending } of rows) {
      if (pending && !(await this.patiently(`alter table events detach partition ${name} finalize`))) continue;
      if (pending) dropped.push(name);
      await this.drop(name, dayOfPartition(name));
    }
  }

  /** Partitions of days that ended before the retention and hold something that is old, or nothing at all. */
  private async doomed(): Promise<Doomed[]> {
    const before = partitionOf(new Date(this.cutoff.getTime() - DAY_MS).toISOString().slice(0, 10));
    const { rows } = await this.client.query<{ name: string }>(
      `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'events'::regclass and c.relname ~ '^events_[0-9]{8}$' and c.relname < $1 and not i.inhdetachpending order by 1`,
      [before],
    );
    const doomed: Doomed[] = [];
    for (const { name } of rows) {
      const day = dayOfPartition(name);
      const found = await this.client.query<Omit<Doomed, 'name' | 'day'>>(
        `select exists (select from event_ranges r where r.day = $1 and r.received_to >= $2
                  and exists (select from ${name} e where e.seq >= r.first_seq and e.seq <= r.last_seq and e.received_at >= $2)) as partly,
                (select seq from ${name} where received_at < $2 order by seq limit 1)::float8 as first,
                (select seq from ${name} where received_at < $2 order by seq desc limit 1)::float8 as last`,
        [day, this.cutoff],
      );
      const [row] = found.rows;
      if (row && (!row.partly || row.first !== null)) doomed.push({ name, day, ...row });
    }
    return doomed;
  }

  /** Partitions of days that were still to come when the retention ended, with something received before: a clock or a producer was wrong. */
  private async ahead(): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string; day: string }>(
      `select c.relname as name, r.day::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
       join (select day from event_ranges where day > $1 group by day having min(received_from) < $2) r
         on c.relname = 'events_' || to_char(r.day, 'YYYYMMDD')
       where i.inhparent = 'events'::regclass and not i.inhdetachpending order by 1`,
      [this.lastWhole, this.cutoff],
    );
    const names: string[] = [];
    for (const { name, day } of rows) {
      const { rowCount } = await this.client.query(
        `select from event_ranges r where r.day = $1 and r.received_from < $2
           and exists (select from ${name} e where e.seq >= r.first_seq and e.seq <= r.last_seq and e.received_at < $2) limit 1`,
        [day, this.cutoff],
      );
      if (rowCount) names.push(name);
    }
    return names;
  }

  /** The newest day that live events received before the retention's end can be of. */
  private get lastWhole(): string {
    return new Date(this.cutoff.getTime() + DAY_MS).toISOString().slice(0, 10);
  }

  /** Moves `oldest_seq` to the smallest number that will remain, when something before it goes: readers with a cursor from there are informed. */
  private async declareOldest(doomed: readonly Doomed[]): Promise<void> {
    const numbers = doomed.flatMap(({ first, last }) => (first === null || last === null ? [] : [{ first, last }]));
    if (numbers.length === 0) return;
    const oldest = (await this.firstRemaining(doomed)) ?? Math.max(...numbers.map(({ last }) => last)) + 1;
    if (!numbers.some(({ first }) => first < oldest)) return;
    await this.client.query('update log_head set oldest_seq = $1 where oldest_seq < $1', [oldest]);
  }

  private async firstRemaining(doomed: readonly Doomed[]): Promise<number | undefined> {
    const whole = new Set(doomed.filter(({ partly }) => !partly).map(({ day }) => day));
    const partly = doomed.filter((part) => part.partly).map(({ day }) => day);
    const ranges = new LogRanges(this.client);
    for (let from = 0; ;) {
      const { head, windows, reached } = await ranges.look({ from, until: Infinity, order: 'asc', goingOn: true });
      for (const window of windows) {
        const days = window.days.filter((day) => !whole.has(day));
        const firsts: number[] = [];
        for (let i = 0; i < days.length; i += WINDOW_DAYS_MAX) {
          // What is old goes from days that stay, too, unless it is of the very days at the retention's end.
          const params: unknown[] = [window.from, window.until, partly, this.cutoff, FIRST_DAY, this.lastWhole];
          const { rows } = await this.client.query<{ seq: number }>(
            `select e.seq::float8 from events e where e.seq > $1 and e.seq <= $2
               and (e.received_at >= $4 or e.day >= $5 and e.day <= $6 and e.day <> all($3::date[]))
               and ${inDays(days.slice(i, i + WINDOW_DAYS_MAX), params, 'e.day')} order by e.seq limit 1`,
            params,
          );
          if (rows[0]) firsts.push(rows[0].seq);
        }
        if (firsts.length > 0) return Math.min(...firsts);
      }
      if (reached >= head.seq) return undefined;
      from = reached;
    }
  }

  /** Concurrently: in a transaction it would wait with a lock that stops every reader and every commit behind it. */
  private async detach(name: string): Promise<boolean> {
    // What somebody has detached by hand, to keep it elsewhere, has no such comment, and stays.
    if (!(await this.patiently(`comment on table ${name} is '${EXPIRED}'`))) return false;
    return this.patiently(`alter table events detach partition ${name} concurrently`);
  }

  private async drop(name: string, day: string): Promise<void> {
    // Before the name is free again: a day that is made anew has ranges of its own.
    await this.client.query('delete from event_ranges where day = $1', [day]);
    await this.patiently(`drop table ${name}`);
  }

  /** Runs DDL for a short time; false when others were in its way. */
  private async patiently(sql: string): Promise<boolean> {
    try {
      await this.client.query(`set statement_timeout = ${DDL_WAIT_MS}`);
      await this.client.query(sql);
      return true;
    } catch (error) {
      if (BUSY.has((error as { code?: string }).code ?? '')) return false;
      throw error;
    } finally {
      await this.client.query(`set statement_timeout = ${STATEMENT_MS_MAX}`);
    }
  }

  /** Page by page through the table, so that each batch is short and none reads again what an earlier one left dead. */
  private async deleteOld(name: string): Promise<void> {
    const { rows } = await this.client.query<{ pages: number }>(
      `select (pg_relation_size($1::regclass) / current_setting('block_size')::int)::float8 as pages`,
      [name],
    );
    const pages = rows[0]?.pages ?? 0;
    for (let page = 0; page < pages && !this.signal?.aborted; page += BATCH_PAGES) {
      await this.client.query(`delete from ${name} where ctid >= $1::tid and ctid < $2::tid and received_at < $3`, [
        `(${page},0)`,
        `(${page + BATCH_PAGES},0)`,
        this.cutoff,
      ]);
    }
  }

  /** People's names and words live in these tables too. */
  private async deletePeople(): Promise<void> {
    await this.inBatches(
      `delete from dead_letters where id = any(array(select id from dead_letters where at < $1 order by id limit ${BATCH_ROWS}))`,
    );
    await this.inBatches(
      `delete from session_users where room_id = any(array(
         select s.room_id from sessions s where s.last_event_at < $1 and exists (select from session_users u where u.room_id = s.room_id)
         order by s.last_event_at limit ${BATCH_ROOMS}))`,
    );
  }

  private async inBatches(sql: string): Promise<void> {
    while (!this.signal?.aborted) if ((await this.client.query(sql, [this.cutoff])).rowCount === 0) return;
  }
}
