import { UNDATED } from '@tributary/events';
import type { Pool } from 'pg';

const DAY_MS = 86_400_000;
const DDL_LOCK = 7_241_001;

/** The day partitions of the events table: made ahead for live events, on demand for others, dropped by retention. */
export class DayPartitions {
  private readonly known = new Set([UNDATED]);

  constructor(private readonly pool: Pool) {}

  /** Makes the partitions of these days (`YYYY-MM-DD`) where they are missing. */
  async ensure(days: Iterable<string>): Promise<void> {
    for (const day of days) {
      if (this.known.has(day)) continue;
      await this.make(day);
      this.known.add(day);
    }
  }

  /** Makes today's and tomorrow's ahead, so that no live batch waits for it. */
  ensureLive(now = Date.now()): Promise<void> {
    return this.ensure([now, now + DAY_MS].map((ms) => new Date(ms).toISOString().slice(0, 10)));
  }

  /** Makes these days anew at the next {@link ensure}: another process may have dropped one. */
  forget(days: Iterable<string>): void {
    for (const day of days) if (day !== UNDATED) this.known.delete(day);
  }

  /**
   * Drops the days that ended more than `retentionDays` ago and returns their names. A day in which something was received
   * later (a replay, or what a holder of a long lease says) loses only what is old. `oldest_seq` moves behind what is gone,
   * so that a cursor from before it is told that it cannot be honoured.
   */
  async dropOlderThan(retentionDays: number, now = Date.now()): Promise<string[]> {
    const before = new Date(now - (retentionDays + 1) * DAY_MS).toISOString().slice(0, 10);
    const { rows } = await this.pool.query<{ name: string }>(
      `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'events'::regclass and c.relname ~ '^events_[0-9]{8}$' and c.relname < $1 order by 1`,
      [`events_${before.replaceAll('-', '')}`],
    );
    const dropped: string[] = [];
    for (const { name } of rows) {
      await this.locked(async (query) => {
        const old = `received_at < now() - make_interval(days => $1)`;
        await query(`update log_head set oldest_seq = greatest(oldest_seq, (select coalesce(max(seq), 0) + 1 from ${name} where ${old}))`, [
          retentionDays,
        ]);
        const kept = await query(`select exists (select from ${name} where not (${old})) as some`, [retentionDays]);
        if (kept.rows[0]?.some) {
          await query(`delete from ${name} where ${old}`, [retentionDays]);
        } else {
          await query(`drop table ${name}`);
          dropped.push(name);
        }
      });
    }
    this.forget(dropped.map((name) => `${name.slice(7, 11)}-${name.slice(11, 13)}-${name.slice(13, 15)}`));
    await this.pool.query(`delete from events_undated where received_at < now() - make_interval(days => $1)`, [retentionDays]);
    // People's names and words live here too.
    await this.pool.query(`delete from dead_letters where at < now() - make_interval(days => $1)`, [retentionDays]);
    await this.pool.query(
      `delete from session_users where room_id in (select room_id from sessions where last_event_at < now() - make_interval(days => $1))`,
      [retentionDays],
    );
    return dropped;
  }

  /** Attaching an empty table takes a weaker lock than creating a partition: readers and exports go on. */
  private async make(day: string): Promise<void> {
    const name = `events_${day.replaceAll('-', '')}`;
    const end = new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10);
    await this.locked(async (query) => {
      const { rows } = await query(`select to_regclass('${name}') is not null as there`);
      if (rows[0]?.there) return;
      await query(`create table ${name} (like events including all)`);
      await query(`alter table events attach partition ${name} for values from ('${day}') to ('${end}')`);
    });
  }

  private async locked(
    work: (query: (sql: string, params?: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>) => Promise<void>,
  ): Promise<void> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      await client.query('select pg_advisory_xact_lock($1)', [DDL_LOCK]);
      await work((sql, params) => client.query<Record<string, unknown>>(sql, params));
      await client.query('commit');
    } catch (error) {
      broken = error as Error;
      await client.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      client.release(broken);
    }
  }
}
