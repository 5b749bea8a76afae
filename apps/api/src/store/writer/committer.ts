import { Inject, Injectable } from '@nestjs/common';
import type { InboxBatch, Positions } from '@tributary/log';
import type { Pool, PoolClient } from 'pg';
import { STORE_POOL } from '../../resources.js';
import { type EntryRow, readEntry, storedJson } from './entry.js';
import { DayPartitions } from '../retention/days.js';

/** Where the log stands, as the store knows it. */
export interface LogHead {
  generation: number;
  seq: number;
  oldestSeq: number;
  positions: Positions;
  /** Whether the database is in the same life (see `log_life`) as when its generation began: nothing can be missing. */
  continuous: boolean;
}

/** What became of a batch. `lost`: another writer has moved the head; nothing was written. */
export type CommitResult =
  | {
      kind: 'committed';
      generation: number;
      after: number;
      to: number;
      stored: number;
      duplicates: number;
      dead: number;
      eventsJson: string;
    }
  | { kind: 'superseded' };

interface DeadEntry {
  partition: number;
  entryId: string;
  reason: string;
  fields: string;
}

/** The life is compared too: a copy, a promoted replica or a restored backup is never written to under the generation of another. */
const MOVE_HEAD = `update log_head set seq = $1, positions = $2 where seq = $3 and generation = $4 and life = log_life()`;

const INSERT = `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, user_id, user_handle, data, raw)
  select seq, case when far.day is null then row.day else overlay(row.day placing '01' from 1 for 2) end::date, id, type, creator_id, handle, room_id, to_timestamp(ts / 1000), to_timestamp(at / 1000),
         nullif(nullif(data->'user'->>'id', ''), '0'), lower(data->'user'->>'uniqueId'), data, decode(raw, 'base64')
  from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::float8[], $9::float8[], $10::jsonb[], $11::text[])
       as row (seq, day, id, type, creator_id, handle, room_id, ts, at, data, raw)
       left join event_far_days far on far.day = row.day::date
  order by seq
  on conflict (day, id) do nothing
  returning seq::float8`;

/**
 * Makes batches permanent: one transaction per batch moves the head by compare-and-set and, only if that hits, inserts the
 * events with the numbers that follow it. Two committers may race; one of them wins each batch.
 */
@Injectable()
export class Committer {
  constructor(
    @Inject(STORE_POOL) private readonly pool: Pool,
    private readonly days: DayPartitions,
  ) {}

  async head(): Promise<LogHead> {
    const { rows } = await this.pool.query<LogHead>(
      `select generation::float8 as generation, seq::float8 as seq, oldest_seq::float8 as "oldestSeq", positions,
              (life = log_life()) is true as continuous from log_head`,
    );
    const [head] = rows;
    if (!head) throw new Error('log_head has no row: the database was not migrated, or was damaged');
    return head;
  }

  /** Records the number of partitions in an empty database; one sentence when another number is recorded. */
  async disagreementOnPartitions(partitions: number): Promise<string | undefined> {
    const { rows } = await this.pool.query<{ partitions: number }>(
      `update log_head set partitions = coalesce(partitions, $1) returning partitions`,
      [partitions],
    );
    const recorded = rows[0]?.partitions;
    return recorded === partitions
      ? undefined
      : `PARTITIONS is ${partitions}, but this database was first used with ${recorded}; set it back`;
  }

  /**
   * Begins a new generation, above `known` too, unless somebody has done so since `head` was read.
   * @returns the head after that
   */
  async raiseGeneration(head: LogHead, { known = 0, reason }: { known?: number; reason: string }): Promise<LogHead> {
    await this.pool.query('select log_raise($1, $2, $3)', [head.generation, known, reason]);
    return this.head();
  }

  /** Commits `batch` on top of `head`. Throws only where the database cannot be reached or refuses to work. */
  async commit(head: LogHead, batch: InboxBatch): Promise<CommitResult> {
    const rows: EntryRow[] = [];
    const dead: DeadEntry[] = [];
    for (const entry of batch.entries) {
      const row = readEntry(entry);
      if (typeof row === 'string') dead.push(deadEntry(entry, row));
      else rows.push(row);
    }
    await this.days.ensure(new Set(rows.map(({ day }) => day)));
    const to = head.seq + batch.entries.length;
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const moved = await client.query(MOVE_HEAD, [to, JSON.stringify(batch.to), head.seq, head.generation]);
      if (moved.rowCount === 0) {
        await client.query('rollback');
        return { kind: 'superseded' };
      }
      const numbered = rows.map((row, index) => ({ row, seq: head.seq + index + 1 }));
      const stored = await this.insert(client, numbered, dead);
      if (dead.length > 0) await insertDead(client, dead);
      await client.query('commit');
      const kept = numbered.filter(({ seq }) => stored.has(seq));
      return {
        kind: 'committed',
        generation: head.generation,
        after: head.seq,
        to,
        stored: kept.length,
        duplicates: rows.length - kept.length - (dead.length - (batch.entries.length - rows.length)),
        dead: dead.length,
        eventsJson: `[${kept.map(({ row, seq }) => storedJson(row, seq)).join(',')}]`,
      };
    } catch (error) {
      broken = error as Error;
      await client.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** Inserts rows; one that the database refuses is found by bisecting and goes to `dead`, so that it cannot hold back the others. */
  private async insert(client: PoolClient, rows: { row: EntryRow; seq: number }[], dead: DeadEntry[]): Promise<Set<number>> {
    if (rows.length === 0) return new Set();
    await client.query('savepoint part');
    try {
      const column = <T>(pick: (item: { row: EntryRow; seq: number }) => T) => rows.map(pick);
      const result = await client.query<{ seq: number }>(INSERT, [
        column(({ seq }) => seq),
        column(({ row }) => row.day),
        column(({ row }) => row.id),
        column(({ row }) => row.type),
        column(({ row }) => row.creatorId),
        column(({ row }) => row.handle),
        column(({ row }) => row.roomId),
        column(({ row }) => row.time),
        column(({ row }) => row.receivedAt),
        column(({ row }) => row.data),
        column(({ row }) => row.raw),
      ]);
      await client.query('release savepoint part');
      return new Set(result.rows.map(({ seq }) => seq));
    } catch (error) {
      if (isMissingDay(error)) this.days.forget(rows.map(({ row }) => row.day));
      if (isMissingDay(error) || !isDataError(error)) throw error;
      await client.query('rollback to savepoint part');
      if (rows.length === 1) {
        dead.push(deadEntry(rows[0]!.row.entry, error.message));
        return new Set();
      }
      const middle = Math.ceil(rows.length / 2);
      const first = await this.insert(client, rows.slice(0, middle), dead);
      const second = await this.insert(client, rows.slice(middle), dead);
      return new Set([...first, ...second]);
    }
  }
}

/** A day that was dropped since it was made: SQLSTATE 23514 without a constraint's name. */
function isMissingDay(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string };
  return code === '23514' && constraint === undefined;
}

/**
 * Classes 22 (data exception), 23 (integrity constraint) and 54 (limit exceeded) blame the row; everything else is the
 * database's own trouble.
 */
export function isDataError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && /^(22|23|54)/.test((error as { code?: string }).code ?? '');
}

function deadEntry(
  { partition, entryId, fields }: { partition: number; entryId: string; fields: Record<string, string> },
  reason: string,
): DeadEntry {
  // text columns refuse NUL, which may be the very reason that the entry is here
  return { partition, entryId, reason, fields: JSON.stringify(fields) };
}

async function insertDead(client: PoolClient, dead: DeadEntry[]): Promise<void> {
  await client.query(
    `insert into dead_letters (partition, entry_id, reason, fields)
     select * from unnest($1::int[], $2::text[], $3::text[], $4::text[])`,
    [dead.map((d) => d.partition), dead.map((d) => d.entryId), dead.map((d) => d.reason), dead.map((d) => d.fields)],
  );
}
