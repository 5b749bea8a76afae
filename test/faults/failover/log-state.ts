import { LogKeys } from '@tributary/log';
import type { SuiteServer } from '@tributary/testing';
import pg from 'pg';
import type { Gap } from '../parts/accounting.js';
import { onRedis } from './servers.js';

/** As the processes of a stack have them by default. */
const KEYS = new LogKeys('tributary', 8);
const PAGE = 5_000;

/** What a database held at one moment. */
export interface LogState {
  generation: number;
  seq: number;
  /** Of a former one: when another came in its place, ms since 1970, and up to which number that has the same. */
  replaced?: { at: number; survived: number };
  bySeq: Map<number, { id: string; creatorId: string; type: string }>;
  ids: Set<string>;
  gaps: { id: string; handle: string; gap: Gap }[];
}

/** What a Redis held at one moment. */
export interface InboxState {
  /** Ids of the entries of the inbox, and whether the store had confirmed them to their producers. */
  confirmed: Map<string, boolean>;
}

/** Reads the whole log. */
export async function readLog(url: string): Promise<LogState> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    // One moment for both.
    await client.query('begin isolation level repeatable read');
    const head = await client.query<{ generation: number; seq: number }>(
      'select generation::float8 as generation, seq::float8 as seq from log_head',
    );
    const { rows } = await client.query<{ seq: number; id: string; creator: string; type: string; handle: string; data: Gap | null }>(
      `select seq::float8 as seq, id, creator_id as creator, type, handle, case when type = 'monitor.gap' then jsonb_build_object(
              'from', extract(epoch from (data->>'from')::timestamptz) * 1000, 'to', extract(epoch from (data->>'to')::timestamptz) * 1000,
              'reason', data->>'reason') end as data from events`,
    );
    const { generation = 0, seq = 0 } = head.rows[0] ?? {};
    return {
      generation,
      seq,
      bySeq: new Map(rows.map((row) => [row.seq, { id: row.id, creatorId: row.creator, type: row.type }])),
      ids: new Set(rows.map(({ id }) => id)),
      gaps: rows.flatMap(({ id, handle, data }) => (data ? [{ id, handle, gap: data }] : [])),
    };
  } finally {
    await client.end();
  }
}

/** Reads the whole inbox. */
export function readInbox(redis: SuiteServer): Promise<InboxState> {
  return onRedis(redis, async (client) => {
    const confirmed = new Map<string, boolean>();
    for (let partition = 0; partition < KEYS.partitions; partition++) {
      const stored = await client.hgetall(KEYS.stored(partition));
      for (let start = '-'; ;) {
        const entries = await client.xrange(KEYS.inbox(partition), start, '+', 'COUNT', PAGE);
        for (const [, flat] of entries) {
          const field = (name: string) => flat[flat.indexOf(name) + 1] ?? '';
          const upTo = Number(/^\d+/.exec(stored[field('run')] ?? '')?.[0] ?? 0);
          confirmed.set(field('id'), Number(field('n')) <= upTo);
        }
        const last = entries.at(-1);
        if (!last || entries.length < PAGE) break;
        start = `(${last[0]}`;
      }
    }
    return { confirmed };
  });
}

/**
 * Events that were lost with a replaced database and cannot be recovered: they were stored, confirmed to their producer, and are no
 * longer in the inbox.
 */
export class LostByBackup {
  private readonly ids = new Set<string>();
  private readonly gaps = new Map<string, Gap[]>();

  /** @param survives whether the inbox of that moment is still there */
  add(old: LogState, next: LogState, inbox: InboxState, survives: boolean): number {
    let count = 0;
    for (const id of old.ids) {
      if (next.ids.has(id)) continue;
      const confirmed = inbox.confirmed.get(id);
      // What the inbox does not have was confirmed before it was trimmed.
      if (confirmed === false || (survives && confirmed !== undefined)) continue;
      this.ids.add(id);
      count += 1;
    }
    for (const { id, handle, gap } of old.gaps) if (this.ids.has(id)) this.gaps.set(handle, [...this.gapsOf(handle), gap]);
    return count;
  }

  has(id: string): boolean {
    return this.ids.has(id);
  }

  gapsOf(handle: string): readonly Gap[] {
    return this.gaps.get(handle) ?? [];
  }
}
