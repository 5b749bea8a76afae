import type { Pool } from 'pg';
import type { DisabledReason } from './endpoint.js';
import { OWNER_LAPSED } from './endpoint-row.js';
import type { StoredHealth } from './endpoint-health.js';

const HEALTH = `
update webhook_cursors r set
  failing_since = to_timestamp(w.failing / 1000), succeeded_at = to_timestamp(w.succeeded / 1000),
  failed_at = to_timestamp(w.failed / 1000), failed_category = w.category, failed_status = w.status,
  throttled_until = to_timestamp(w.throttled / 1000)
from jsonb_to_recordset($1::jsonb) as w (id text, failing float8, succeeded float8, failed float8, category text, status int, throttled float8)
where r.id = w.id and r.claimed_by = $2`;

/** What serving an endpoint changes in its rows, beyond positions and deliveries. */
export class EndpointStateStore {
  constructor(
    private readonly pool: Pool,
    private readonly runner: string,
  ) {}

  /** Writes health, by endpoint. */
  async writeHealth(health: ReadonlyMap<string, StoredHealth>): Promise<void> {
    const rows = [...health].map(([id, one]) => ({
      id,
      failing: one.failingSince,
      succeeded: one.succeededAt,
      failed: one.failedAt,
      category: one.failedCategory,
      status: one.failedStatus,
      throttled: one.throttledUntil,
    }));
    if (rows.length > 0) await this.pool.query(HEALTH, [JSON.stringify(rows), this.runner]);
  }

  /**
   * Disables an endpoint and leaves an event for the log. False when it was not enabled any more, or, for `owner`, has another
   * owner by now.
   */
  async disable(id: string, reason: DisabledReason, data: object): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `with disabled as (
         update webhook_endpoints e set state = 'disabled', reason = $2, state_since = now(), version = version + 1, updated_at = now()
         where e.id = $1 and e.state = 'enabled' and ($2 <> 'owner' or ${OWNER_LAPSED}) returning e.id)
       insert into webhook_event_outbox (endpoint_id, data) select id, $3 from disabled`,
      [id, reason, JSON.stringify(data)],
    );
    return rowCount === 1;
  }

  /** What a paused or slow endpoint lost to the retention of events: its position goes behind it, and an event reports it. */
  async skipExpired(id: string, from: number, to: number, data: object): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `with moved as (update webhook_cursors set position = $3 where id = $1 and position = $2 and claimed_by = $4
         and $3 <= (select seq from log_head) returning endpoint_id)
       insert into webhook_event_outbox (endpoint_id, data) select endpoint_id, $5 from moved`,
      [id, from, to, this.runner, data],
    );
    return rowCount === 1;
  }

  /** A replay whose deliveries are all planned and finished is over. */
  async endReplay(id: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `update webhook_replays p set state = 'done', ended_at = now()
       where id = $1 and state = 'running' and not exists (
         select from webhook_deliveries d where d.endpoint_id = p.endpoint_id and d.replay_id = p.id and d.state = 'open')
         and not exists (select from webhook_planned_batches c where c.endpoint_id = p.endpoint_id and c.replay_id = p.id)`,
      [id],
    );
    return rowCount === 1;
  }
}
