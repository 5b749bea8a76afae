import type { SecretBox } from '@tributary/runtime';
import type { Pool } from 'pg';
import type { Endpoint } from './endpoint.js';
import { ENDPOINT_COLUMNS, type EndpointRow, toEndpoint } from './endpoint-row.js';
import type { Delivery, PlannedBatch } from '../pipeline/delivery.js';
import type { FailureCategory } from '../../outbound/outcome.js';
import type { StoredHealth } from './endpoint-health.js';
import { removeRecordedBatches } from '../pipeline/recorder.js';

/** A delivery that is not finished, and where it belongs. */
export interface OpenDelivery {
  delivery: Delivery;
  /** The sequence number of its first event. */
  seq: number;
  replayId: string | null;
  /** Retried by hand after it was given up. */
  manual: boolean;
}

/** Everything that is known of one endpoint when it begins to be served. */
export interface EndpointLoad {
  endpoint: Endpoint;
  position: number;
  /** What `position` is a number of. */
  generation: number;
  health: StoredHealth;
  replay?: { id: string; position: number; to: number; ratePerSecond: number };
  /** In log order. */
  open: OpenDelivery[];
}

/** Reads everything about one endpoint; undefined when it is gone. */
export async function loadEndpoint(pool: Pool, box: SecretBox, id: string): Promise<EndpointLoad | undefined> {
  const [endpoints, cursors, attempted, planned] = await Promise.all([
    pool.query<EndpointRow>(`select ${ENDPOINT_COLUMNS} from webhook_endpoints e where e.id = $1 and e.deleted_at is null`, [id]),
    pool.query<CursorRow>(
      `select r.id, r.position::float8 as position, h.generation::float8 as generation, r.failing_since as failing,
         r.succeeded_at as succeeded, r.failed_at as failed, r.failed_category as category, r.failed_status as status, r.throttled_until as throttled, p.to_seq::float8 as "to", p.rate_per_second as rate
       from webhook_cursors r cross join log_head h left join webhook_replays p on p.id = r.id and p.state = 'running'
       where r.endpoint_id = $1 and (r.id = $1 or p.id is not null)`,
      [id],
    ),
    attemptedDeliveries(pool, id),
    plannedDeliveries(pool, id),
  ]);
  const [row] = endpoints.rows;
  const own = cursors.rows.find((cursor) => cursor.id === id);
  if (!row || !own) return undefined;
  const replay = cursors.rows.find((cursor) => cursor.id !== id);
  const ms = (date: Date | null) => date?.getTime();
  return {
    endpoint: toEndpoint(row, box),
    position: own.position,
    generation: own.generation,
    health: {
      failingSince: ms(own.failing),
      succeededAt: ms(own.succeeded),
      failedAt: ms(own.failed),
      failedCategory: own.category ?? undefined,
      failedStatus: own.status ?? undefined,
      throttledUntil: ms(own.throttled),
    },
    ...(replay ? { replay: { id: replay.id, position: replay.position, to: replay.to ?? 0, ratePerSecond: replay.rate ?? 1 } } : {}),
    open: [...attempted, ...planned].sort((a, b) => a.seq - b.seq || (a.delivery.id < b.delivery.id ? -1 : 1)),
  };
}

/** Deliveries that have had an attempt, and wait for a further one. */
async function attemptedDeliveries(pool: Pool, endpointId: string): Promise<OpenDelivery[]> {
  const { rows } = await pool.query<AttemptedRow>(
    `select id, seq::float8 as seq, attempt as attempts, next_attempt_at as next, created_at as created, replay_id as "replayId",
       again as manual, (select generation from log_head)::float8 as generation
     from webhook_deliveries where endpoint_id = $1 and state = 'open' and not test`,
    [endpointId],
  );
  return rows.map(({ id, seq, attempts, next, created, replayId, manual, generation }) => ({
    delivery: { id, state: 'queued', attempts, nextAttemptAt: next.getTime(), since: created.getTime(), generation },
    ...{ seq, replayId, manual },
  }));
}

/** Deliveries that are planned and have had no attempt. Batches that have none left were forgotten by a process that died. */
async function plannedDeliveries(pool: Pool, endpointId: string): Promise<OpenDelivery[]> {
  const { rows } = await pool.query<PlannedRow>(
    `select c.id, (select generation from log_head)::float8 as generation, c.replay_id as "replayId",
       (extract(epoch from c.created_at) * 1000)::float8 as "createdAt",
       (select jsonb_agg(d.value) from jsonb_array_elements(c.deliveries) as d (value)
        where not exists (select from webhook_deliveries x where x.endpoint_id = c.endpoint_id and x.id = d.value ->> 0)) as deliveries
     from webhook_planned_batches c where c.endpoint_id = $1`,
    [endpointId],
  );
  const recorded = rows.filter(({ deliveries }) => deliveries === null);
  if (recorded.length > 0)
    await removeRecordedBatches(
      pool,
      recorded.map(({ id }) => ({ endpointId, id })),
    );
  return rows.flatMap(({ id, replayId, createdAt, generation, deliveries }) => {
    const batch: PlannedBatch = { id, createdAt, unrecorded: deliveries?.length ?? 0 };
    return (deliveries ?? []).map(([deliveryId, seqs]) => ({
      delivery: {
        id: deliveryId,
        state: 'queued' as const,
        attempts: 0,
        nextAttemptAt: createdAt,
        since: createdAt,
        generation,
        planned: { seqs, batch },
      },
      seq: seqs[0] ?? 0,
      replayId,
      manual: false,
    }));
  });
}

interface CursorRow {
  id: string;
  position: number;
  generation: number;
  failing: Date | null;
  succeeded: Date | null;
  failed: Date | null;
  category: FailureCategory | null;
  status: number | null;
  throttled: Date | null;
  to: number | null;
  rate: number | null;
}

interface AttemptedRow {
  id: string;
  seq: number;
  attempts: number;
  next: Date;
  created: Date;
  replayId: string | null;
  manual: boolean;
  generation: number;
}

interface PlannedRow {
  id: string;
  replayId: string | null;
  createdAt: number;
  generation: number;
  deliveries: [string, number[]][] | null;
}
