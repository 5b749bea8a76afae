import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../resources.js';
import { DeliveryIds } from '../../delivery/pipeline/delivery.js';
import { type AttemptRecord, readAttempt } from '../../delivery/request/attempt.js';
import type { FailureCategory } from '../../outbound/outcome.js';

export const DELIVERY_STATES = ['open', 'delivered', 'dead', 'erased', 'cancelled'] as const;
export type StoredDeliveryState = (typeof DELIVERY_STATES)[number];

/** A delivery in a list. */
export interface DeliveryRow {
  id: string;
  state: StoredDeliveryState;
  test: boolean;
  again: boolean;
  replayId: string | null;
  attempt: number;
  /** Numbers of its events, in log order; none for a test. */
  seqs: number[];
  /** It has had no attempt: what is sent is decided then. */
  planned: boolean;
  /** Position of its first event; 0 for a test. */
  seq: number;
  nextAttemptAt: Date;
  createdAt: Date;
  endedAt: Date | null;
  lastStatus: number | null;
  lastCategory: FailureCategory | null;
  lastLatencyMs: number | null;
}

export interface DeliveryFilter {
  state?: StoredDeliveryState;
  replayId?: string;
  since?: Date;
  until?: Date;
  /** Ids from this one on. */
  after?: string;
}

/** What became of a retry by hand. */
export type Retried = 'retried' | 'unknown' | 'finished' | 'full';

const COLUMNS = `id, state, test, again, replay_id as "replayId", attempt, seqs::float8[] as seqs, false as planned, seq::float8 as seq,
  next_attempt_at as "nextAttemptAt", created_at as "createdAt", ended_at as "endedAt",
  (attempts[cardinality(attempts)]::jsonb->>'status')::int as "lastStatus", attempts[cardinality(attempts)]::jsonb->>'category' as "lastCategory",
  (attempts[cardinality(attempts)]::jsonb->>'latencyMs')::int as "lastLatencyMs"`;
/** The same of one that has had no attempt. */
const UNATTEMPTED = `id, 'open' as state, false as test, false as again, replay_id as "replayId", 0 as attempt, seqs::float8[] as seqs,
  true as planned, seq::float8 as seq, created_at as "nextAttemptAt", created_at as "createdAt", null::timestamptz as "endedAt",
  null::int as "lastStatus", null as "lastCategory", null::int as "lastLatencyMs"`;
/** Deliveries retried by hand that may wait at an endpoint: a runner holds them in memory. */
export const AGAIN_MAX = 10_000;

/** Deliveries as owners see them. */
@Injectable()
export class DeliveryStore {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Deliveries of an endpoint, newest first, before the id `before`. */
  async list(endpointId: string, filter: DeliveryFilter, before: string | undefined, limit: number): Promise<DeliveryRow[]> {
    const { since, until } = filter;
    // Ids sort by the time at which they were made: the index leads to both ends.
    const first = [filter.after, since && DeliveryIds.from(since.getTime())]
      .filter((id) => id !== undefined)
      .sort()
      .at(-1);
    const end = [before, until && DeliveryIds.from(until.getTime())].filter((id) => id !== undefined).sort()[0];
    const where = `endpoint_id = $1 and ($2::text is null or id < $2) and ($4::text is null or replay_id = $4)
         and ($5::text is null or id >= $5)`;
    const { rows } = await this.pool.query<DeliveryRow>(
      `(select ${COLUMNS} from webhook_deliveries where ${where} and ($3::text is null or state = $3) order by id desc limit $6)
       union all (select ${UNATTEMPTED} from webhook_planned_deliveries where ${where} and coalesce($3, 'open') = 'open' order by id desc limit $6)
       order by id desc limit $6`,
      [endpointId, end ?? null, filter.state ?? null, filter.replayId ?? null, first ?? null, limit],
    );
    return rows;
  }

  async find(endpointId: string, id: string): Promise<DeliveryRow | undefined> {
    const { rows } = await this.pool.query<DeliveryRow>(
      `select ${COLUMNS} from webhook_deliveries where endpoint_id = $1 and id = $2
       union all select ${UNATTEMPTED} from webhook_planned_deliveries where endpoint_id = $1 and id = $2`,
      [endpointId, id],
    );
    return rows[0];
  }

  /** The kept attempts of a delivery, oldest first; undefined when there is no such delivery. */
  async attempts(endpointId: string, id: string): Promise<AttemptRecord[] | undefined> {
    const { rows } = await this.pool.query<{ attempts: string[] }>(
      `select attempts from webhook_deliveries where endpoint_id = $1 and id = $2
       union all select '{}' from webhook_planned_deliveries where endpoint_id = $1 and id = $2`,
      [endpointId, id],
    );
    return rows[0]?.attempts.map((attempt) => readAttempt(id, attempt));
  }

  /** Tries an open delivery now, or takes one up again that was given up. */
  async retry(endpointId: string, id: string): Promise<Retried> {
    const delivery = await this.find(endpointId, id);
    if (!delivery) return 'unknown';
    if (delivery.test || (delivery.state !== 'open' && delivery.state !== 'dead')) return 'finished';
    if (delivery.state === 'dead') {
      const { retried } = await this.retryDead(endpointId, { ids: [id] }, 1);
      return retried === 1 ? 'retried' : 'full';
    }
    // One without an attempt is about to have its first.
    await this.pool.query(
      `with locked as (select from webhook_endpoints where id = $1 for update),
       hurried as (
         update webhook_deliveries set next_attempt_at = least(next_attempt_at, now())
         where endpoint_id = $1 and id = $2 and state = 'open' and exists (select from locked) returning 1)
       update webhook_endpoints set version = version + 1 where id = $1 and exists (select from hurried)`,
      [endpointId, id],
    );
    return 'retried';
  }

  /**
   * Takes up given-up deliveries again, oldest first, with a whole schedule each. They go beside the others, whose order
   * has passed them.
   */
  async retryDead(
    endpointId: string,
    filter: { ids?: string[]; since?: Date; until?: Date },
    limit: number,
  ): Promise<{ retried: number; more: boolean }> {
    const { rows } = await this.pool.query<{ retried: number; more: boolean }>(
      `with locked as (select from webhook_endpoints where id = $1 for update),
       room as (
         select greatest(0, ${AGAIN_MAX} - count(*)) as n from webhook_deliveries where endpoint_id = $1 and state = 'open' and again),
       chosen as (
         select id from webhook_deliveries
         where endpoint_id = $1 and state = 'dead' and not test and ($2::text[] is null or id = any($2)) and exists (select from locked)
           and ($3::timestamptz is null or created_at >= $3) and ($4::timestamptz is null or created_at < $4)
         order by id limit least($5, (select n from room)) + 1 for update),
       taken as (
         update webhook_deliveries d set state = 'open', again = true, attempt = 0, next_attempt_at = now(), ended_at = null
         where d.endpoint_id = $1 and d.id in (select id from chosen order by id limit least($5, (select n from room))) and d.state = 'dead'
         returning 1),
       notified as (update webhook_endpoints set version = version + 1 where id = $1 and exists (select from taken))
       select (select count(*) from taken)::int as retried, (select count(*) from chosen) > (select count(*) from taken) as more`,
      [endpointId, filter.ids ?? null, filter.since ?? null, filter.until ?? null, limit],
    );
    return rows[0]!;
  }

  /** Records a test, which was made and is over. */
  async recordTest(endpointId: string, id: string, record: string, delivered: boolean): Promise<void> {
    await this.pool.query(
      `insert into webhook_deliveries (endpoint_id, id, test, seqs, seq, state, attempt, ended_at, attempts)
       values ($1, $2, true, '{}', 0, $3, 1, now(), array[$4])`,
      [endpointId, id, delivered ? 'delivered' : 'dead', record],
    );
  }
}
