import type { Logger } from '@tributary/runtime';
import type { Pool } from 'pg';
import { type Loop, startLoop } from '../../loop.js';
import { DeliveryIds } from '../pipeline/delivery.js';
import type { EndpointEventOutbox } from './event-outbox.js';
import type { DeliveryEngine } from '../engine.js';
import type { WakeQueue } from './wake-queue.js';

export interface SweeperOptions {
  pool: Pool;
  engine: DeliveryEngine;
  queue: WakeQueue;
  outbox: EndpointEventOutbox;
  logger: Logger;
  /** Deliveries that ended are kept this long, with their attempts. */
  retentionMs: number;
  sweepMs?: number;
  cleanMs?: number;
}

const ENDPOINTS_MAX = 500;
const ROWS_MAX = 5_000;
const CREATIONS_MS = 86_400_000;

/**
 * Makes sure that every enabled endpoint is served by a process, whatever became of wake-ups; publishes events about endpoints; and removes what
 * is past its time.
 */
export class Sweeper {
  private loops: Loop[] = [];
  /** Woken at the last sweep and still not claimed. */
  private woken = new Set<string>();

  constructor(private readonly options: SweeperOptions) {}

  start(): void {
    const { sweepMs = 5_000, cleanMs = 60_000, logger } = this.options;
    this.loops = [
      startLoop({ name: 'webhook sweeper', everyMs: sweepMs, logger }, () => this.sweep()),
      startLoop({ name: 'webhook events', everyMs: sweepMs, logger }, async () => {
        await this.options.outbox.publishPending();
      }),
      startLoop({ name: 'webhook clean-up', everyMs: cleanMs, logger }, (signal) => this.clean(signal)),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }

  private async sweep(): Promise<void> {
    const { engine, queue } = this.options;
    await queue.accept(engine.hasRoom);
    const unclaimed = await engine.unclaimed(ENDPOINTS_MAX);
    const queued = await queue.wake(unclaimed.filter((id) => !this.woken.has(id)));
    // Without Redis, or when a wake-up came to nothing, this process takes them itself.
    const direct = unclaimed.filter((id) => !queued || this.woken.has(id));
    this.woken = new Set(unclaimed);
    for (const id of direct) if (engine.hasRoom) await engine.wake(id);
  }

  private async clean(signal: AbortSignal): Promise<void> {
    const { pool, retentionMs } = this.options;
    const now = Date.now();
    await pool.query(`delete from webhook_runners where alive_until < now() - interval '1 hour'`);
    await pool.query('delete from webhook_creations where created_at < to_timestamp($1 / 1000.0)', [now - CREATIONS_MS]);
    await this.inSteps(
      signal,
      `delete from webhook_replays where ctid in (
      select ctid from webhook_replays where state <> 'running' and ended_at < to_timestamp($1 / 1000.0) limit $2)`,
      [now - retentionMs],
    );
    // What was being planned or tried while its replay was cancelled.
    await pool.query(`delete from webhook_planned_batches c using webhook_replays p where c.replay_id = p.id and p.state <> 'running'`);
    await pool.query(
      `update webhook_deliveries d set state = 'cancelled', ended_at = now() from webhook_replays p
       where d.replay_id = p.id and p.state = 'cancelled' and d.state = 'open' and not d.again`,
    );
    await pool.query(
      'delete from webhook_cursors r where r.id <> r.endpoint_id and not exists (select from webhook_replays p where p.id = r.id)',
    );
    const { rows } = await pool.query<{ id: string; gone: boolean }>(
      `select id, deleted_at is not null as gone from webhook_endpoints order by id`,
    );
    for (const { id, gone } of rows) {
      if (signal.aborted) return;
      // Ids begin with the time they were made: the primary key finds the old ones. Without its row a delivery of a planned batch that
      // still stands would look as if it had never been attempted; those are made after their batch.
      await this.inSteps(
        signal,
        `delete from webhook_deliveries where (endpoint_id, id) in (
           select endpoint_id, id from webhook_deliveries
           where endpoint_id = $1 and ($4 or (id < $3 and state <> 'open' and not exists (
             select from webhook_planned_batches c where c.endpoint_id = $1 and c.id <= webhook_deliveries.id))) limit $2)`,
        [id],
        [DeliveryIds.from(now - retentionMs), gone],
      );
      if (gone) await pool.query('delete from webhook_planned_batches where endpoint_id = $1', [id]);
      if (gone && !signal.aborted) await pool.query('delete from webhook_endpoints where id = $1 and deleted_at is not null', [id]);
    }
    for (const table of ['webhook_deliveries', 'webhook_planned_batches'] as const) await this.removeOrphans(table, signal);
  }

  /** What was written after its endpoint had been cleaned away: a delivery that was on the wire until then, for one. */
  private async removeOrphans(table: 'webhook_deliveries' | 'webhook_planned_batches', signal: AbortSignal): Promise<void> {
    // Goes from one endpoint to the next along the primary key: as many steps as endpoints, however many rows they have.
    const { rows } = await this.options.pool.query<{ id: string }>(
      `with recursive ids as (
         select min(endpoint_id) as id from ${table}
         union all
         select (select min(t.endpoint_id) from ${table} t where t.endpoint_id > ids.id) from ids where ids.id is not null)
       select id from ids where id is not null and not exists (select from webhook_endpoints e where e.id = ids.id)`,
    );
    for (const { id } of rows) {
      if (signal.aborted) return;
      const sql = `delete from ${table} where ctid = any(array(select ctid from ${table} where endpoint_id = $1 limit $2))`;
      await this.inSteps(signal, sql, [id]);
    }
  }

  /** Deletes in steps of {@link ROWS_MAX} rows, so that no statement is long. */
  private async inSteps(signal: AbortSignal, sql: string, head: unknown[], rest: unknown[] = []): Promise<void> {
    while (!signal.aborted) {
      const { rowCount } = await this.options.pool.query(sql, [...head, ROWS_MAX, ...rest]);
      if ((rowCount ?? 0) < ROWS_MAX) return;
    }
  }
}
