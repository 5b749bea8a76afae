import type { Pool } from 'pg';
import { type Delivery, DeliveryIds } from './delivery.js';

/** A delivery that was sent before the endpoint's filter was changed. The new filter leaves out some of its events. */
export interface ReplacedDelivery {
  endpointId: string;
  delivery: Delivery;
  /** Sequence numbers of the events that are still wanted, in log order. */
  seqs: readonly number[];
}

const REPLACE = `
with cancelled as (
  update webhook_deliveries set state = 'cancelled', ended_at = now()
  where endpoint_id = $1 and id = $2 and state = 'open' and (select generation from log_head) = $5
  returning replay_id)
insert into webhook_planned_batches (endpoint_id, id, replay_id, deliveries, created_at)
select $1, $3, replay_id, $4, to_timestamp($6::float8 / 1000) from cancelled`;

/**
 * Replaces deliveries whose body would change: receivers take a `webhook-id` that they know for the same body. One statement cancels the
 * old delivery and makes a new one, with an id of its own, of the events that are still wanted.
 */
export class DeliveryReplacer {
  private readonly ids = new DeliveryIds();

  constructor(
    private readonly pool: Pool,
    /** Resolves when everything recorded so far is written: the row of the delivery may not be there before. */
    private readonly settled: () => Promise<unknown>,
  ) {}

  /** @returns what takes its place; undefined when the database does not have it as open any more */
  async replace({ endpointId, delivery, seqs }: ReplacedDelivery): Promise<Delivery | undefined> {
    await this.settled();
    const now = Date.now();
    const id = this.ids.next(now);
    const { rowCount } = await this.pool.query(REPLACE, [
      endpointId,
      delivery.id,
      id,
      JSON.stringify([[id, seqs]]),
      delivery.generation,
      now,
    ]);
    if (rowCount !== 1) return undefined;
    return {
      id,
      state: 'queued',
      attempts: 0,
      nextAttemptAt: now,
      since: delivery.since,
      generation: delivery.generation,
      planned: { seqs, batch: { id, createdAt: now, unrecorded: 1 } },
    };
  }
}
