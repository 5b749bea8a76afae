import { inTransaction } from '@tributary/runtime';
import { Inject, Injectable } from '@nestjs/common';
import { UNDATED } from '@tributary/events';
import type { Pool } from 'pg';
import { STORE_POOL } from '../../resources.js';
import { dayOfPartition, farDay, partitionOf } from './partition-names.js';
import { dropOlderThan } from './retention.js';

const DAY_MS = 86_400_000;
const DDL_LOCK = 7_241_001;
/** Days that live events can be of get a partition in any case: a lease may be older, clocks and replays go wrong by some. */
const NEAR_DAYS_BACK = 35;
const NEAR_DAYS_AHEAD = 7;
/** Other days get one while there are fewer than these: a producer that invents days must not fill the catalog. */
const FAR_PARTITIONS_MAX = 64;
/** Made ahead: while a backup runs, a new day may have to wait for a retry. */
const AHEAD_DAYS = 3;
const MOVED_MAX = 10_000;

/**
 * The day partitions of the events table: made ahead for live events, on demand for others, dropped by retention. Far days
 * beyond a bound share one partition; once recorded in event_far_days, a day stays there, and the committer's insert obeys.
 */
@Injectable()
export class DayPartitions {
  private readonly known = new Set([UNDATED]);

  constructor(@Inject(STORE_POOL) private readonly pool: Pool) {}

  /** Makes the partitions of these days (`YYYY-MM-DD`) where they are missing. */
  async ensure(days: Iterable<string>, now = Date.now()): Promise<void> {
    const missing = [...new Set(days)].filter((day) => !this.known.has(day));
    if (missing.length === 0) return;
    await this.make(missing, now);
    for (const day of missing) this.known.add(day);
  }

  /** Makes those of today and the next days ahead, so that no live batch waits for it. */
  async ensureLive(now = Date.now()): Promise<void> {
    for (let ahead = 0; ahead <= AHEAD_DAYS; ahead++) {
      const day = dayOf(now + ahead * DAY_MS);
      await this.bringNear(day);
      await this.ensure([day], now);
    }
  }

  /** Makes these days anew at the next {@link ensure}: another process may have dropped one. */
  forget(days: Iterable<string>): void {
    for (const day of days) if (day !== UNDATED) this.known.delete(day);
  }

  /** Retention, see {@link dropOlderThan}; returns the names of the partitions that it took out of the log. */
  async dropOlderThan(retentionDays: number, signal?: AbortSignal): Promise<string[]> {
    const dropped = await dropOlderThan(this.pool, retentionDays, signal);
    this.forget(dropped.map(dayOfPartition));
    return dropped;
  }

  /** Attaching an empty table takes a weaker lock than creating a partition: readers and exports go on. */
  private async make(days: string[], now: number): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      await client.query('select pg_advisory_xact_lock($1)', [DDL_LOCK]);
      const { rows } = await client.query<{ day: string; there: boolean; others: number }>(
        `select d.day, to_regclass(d.name) is not null as there,
           (select count(*)::int from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'events'::regclass and c.relname ~ '^events_[0-9]{8}$' and (c.relname < $3 or c.relname > $4)) as others
         from unnest($1::text[], $2::text[]) as d (day, name)
         where not exists (select from pg_inherits where inhrelid = to_regclass(d.name) and not inhdetachpending)
           and not exists (select from event_far_days f where f.day = d.day::date)`,
        [
          days,
          days.map(partitionOf),
          partitionOf(dayOf(now - NEAR_DAYS_BACK * DAY_MS)),
          partitionOf(dayOf(now + NEAR_DAYS_AHEAD * DAY_MS)),
        ],
      );
      const far: string[] = [];
      let others = rows[0]?.others ?? 0;
      for (const { day, there } of rows) {
        const away = (Date.parse(day) - now) / DAY_MS;
        const near = away > -NEAR_DAYS_BACK && away < NEAR_DAYS_AHEAD;
        // A table that is there and not attached is being dropped; what still comes for its day goes beside it.
        if (there || (!near && others >= FAR_PARTITIONS_MAX)) far.push(day);
        else await client.query(attachSql(day));
        if (!near) others++;
      }
      if (far.length > 0) await client.query('insert into event_far_days select unnest($1::date[])', [far]);
    });
  }

  /** A far day that has come near gets its partition, and its few events move there. The log's head is locked meanwhile. */
  private async bringNear(day: string): Promise<void> {
    const few = await this.pool.query<{ n: number }>(
      `select (select count(*)::int from (select from events_far where day = $2 limit ${MOVED_MAX + 1}) e) as n
       from event_far_days where day = $1 and to_regclass($3) is null`,
      [day, farDay(day), partitionOf(day)],
    );
    const n = few.rows[0]?.n;
    if (n === undefined || n > MOVED_MAX) return;
    await inTransaction(this.pool, async (client) => {
      await client.query(`set local lock_timeout = '1s'`);
      await client.query('select pg_advisory_xact_lock($1)', [DDL_LOCK]);
      await client.query('select from log_head for update');
      if ((await client.query('delete from event_far_days where day = $1', [day])).rowCount === 0) return;
      await client.query(attachSql(day));
      await client.query('update events set day = $1 where day = $2', [day, farDay(day)]);
      await client.query(
        `insert into event_ranges as r
         select block, $1, min(first_seq), max(last_seq), min(received_from), max(received_to)
         from event_ranges join (select distinct seq >> 14 as block from ${partitionOf(day)}) b using (block)
         where day = '0101-01-01' group by block on conflict (block, day) do update set
           first_seq = least(r.first_seq, excluded.first_seq), last_seq = greatest(r.last_seq, excluded.last_seq),
           received_from = least(r.received_from, excluded.received_from), received_to = greatest(r.received_to, excluded.received_to)`,
        [day],
      );
    });
  }
}

function attachSql(day: string): string {
  const name = partitionOf(day);
  return `create table ${name} (like events including all);
    alter table events attach partition ${name} for values from ('${day}') to ('${dayOf(Date.parse(day) + DAY_MS)}')`;
}

/** The day (UTC, `YYYY-MM-DD`) of an instant in ms. */
function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
