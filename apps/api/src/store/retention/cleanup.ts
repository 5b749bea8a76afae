import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Config, type Logger, inTransaction } from '@tributary/runtime';
import type { Pool } from 'pg';
import { type Loop, startLoop } from '../../loop.js';
import { LOGGER, STORE_POOL } from '../../resources.js';

const CLEAN_EVERY_MS = 3_600_000;
/** Entries that could not be stored are kept this long where events are kept for ever. */
const DEAD_LETTER_DAYS = 90;
/** A key that was revoked or has expired is kept this long, so that its name can be looked up after an incident. */
const ENDED_KEY_DAYS = 90;
/** A removed creator that is added again within this time gets its old id and history in any case. */
const REMOVED_CREATOR_DAYS = 30;
/** Rows of one statement: each takes milliseconds, and no lock for longer. */
const ROWS_MAX = 1_000;

export interface CleanupDays {
  /** Days that events are kept; 0 for ever. */
  retentionDays: number;
  /** Days that sessions are kept after their last event; 0 for ever. */
  sessionRetentionDays: number;
}

/** Removes what is past its time, in small steps: dead letters, sessions with their viewers, keys that have ended, removed creators. */
export async function cleanUp(pool: Pool, { retentionDays, sessionRetentionDays }: CleanupDays, signal: AbortSignal): Promise<void> {
  const inSteps = async (sql: string, days: number) => {
    while (!signal.aborted) {
      const { rowCount } = await pool.query(sql, [days, ROWS_MAX]);
      if ((rowCount ?? 0) < ROWS_MAX) return;
    }
  };
  await inSteps(
    `delete from dead_letters where id = any(array(select id from dead_letters where at < now() - make_interval(days => $1) limit $2))`,
    retentionDays || DEAD_LETTER_DAYS,
  );
  if (sessionRetentionDays > 0) {
    const old = 's.last_event_at < now() - make_interval(days => $1)';
    // Before their session: a room may have a hundred thousand, which a cascade would delete in one statement.
    await inSteps(
      `delete from session_users where ctid = any(array(
         select u.ctid from sessions s join session_users u on u.room_id = s.room_id where ${old} limit $2))`,
      sessionRetentionDays,
    );
    await inSteps(
      `delete from sessions where room_id = any(array(select s.room_id from sessions s where ${old} limit $2))`,
      sessionRetentionDays,
    );
  }
  await inSteps(
    `delete from api_keys where id = any(array(
       select id from api_keys where least(revoked_at, expires_at) < now() - make_interval(days => $1) limit $2))`,
    ENDED_KEY_DAYS,
  );
  // Where events are kept for ever, so are the names that they are found by.
  if (retentionDays > 0) await removeCreators(pool, Math.max(REMOVED_CREATOR_DAYS, retentionDays + 1), signal);
}

/** Removes creators whose events and sessions are gone, with their handles. */
async function removeCreators(pool: Pool, days: number, signal: AbortSignal): Promise<void> {
  for (let removed = ROWS_MAX; removed === ROWS_MAX && !signal.aborted;) {
    removed = await inTransaction(pool, async (client) => {
      const { rows } = await client.query<{ id: string }>(
        `select id from creators c where deleted_at < now() - make_interval(days => $1)
           and not exists (select from sessions s where s.creator_id = c.id)
         limit $2 for update skip locked`,
        [days, ROWS_MAX],
      );
      const ids = rows.map(({ id }) => id);
      await client.query('delete from creator_handles where creator_id = any($1)', [ids]);
      await client.query('delete from creators where id = any($1)', [ids]);
      return ids.length;
    });
  }
}

/** The store role's clean-up. */
@Injectable()
export class Cleanup implements OnApplicationBootstrap, OnApplicationShutdown {
  private loop: Loop | undefined;

  constructor(
    @Inject(STORE_POOL) private readonly pool: Pool,
    private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const { pool, config, logger } = this;
    this.loop = startLoop({ name: 'clean-up', everyMs: CLEAN_EVERY_MS, logger }, (signal) => cleanUp(pool, config, signal));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.loop?.stop();
  }
}
