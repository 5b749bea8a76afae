import { inTransaction } from '@tributary/runtime';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../../resources.js';
import { newId } from '../../ids.js';
import { LogRanges } from '../../store/log-ranges.js';

export const REPLAY_STATES = ['running', 'done', 'cancelled'] as const;

/** A replay and how far it is. Positions are numbers of the log. */
export interface Replay {
  id: string;
  state: (typeof REPLAY_STATES)[number];
  after: number;
  to: number;
  position: number;
  ratePerSecond: number;
  createdAt: Date;
  endedAt: Date | null;
  open: number;
  delivered: number;
  dead: number;
}

const COLUMNS = `p.id, p.state, p.after_seq::float8 as after, p.to_seq::float8 as "to", r.position::float8 as position,
  p.rate_per_second as "ratePerSecond", p.created_at as "createdAt", p.ended_at as "endedAt",
  c.open, c.delivered, c.dead`;
const FROM = `webhook_replays p join webhook_cursors r on r.id = p.id
  cross join lateral (
    select (count(*) filter (where state = 'open')
        + (select count(*) from webhook_planned_deliveries u where u.endpoint_id = p.endpoint_id and u.replay_id = p.id))::int as open, count(*) filter (where state = 'delivered')::int as delivered,
      count(*) filter (where state = 'dead')::int as dead
    from webhook_deliveries d where d.replay_id = p.id) c`;
const UNIQUE_VIOLATION = '23505';

/** Replays: each is a reader of its own beside its endpoint's live one. */
@Injectable()
export class ReplayStore {
  constructor(@Inject(POOL) private readonly pool: Pool) {}

  /** Starts a replay of the events after `after` up to `to`; undefined when the endpoint has one running already. */
  async start(
    endpointId: string,
    { after, to, ratePerSecond }: Pick<Replay, 'after' | 'to' | 'ratePerSecond'>,
  ): Promise<string | undefined> {
    const id = newId('rp_');
    try {
      await inTransaction(this.pool, async (client) => {
        await client.query(
          'insert into webhook_replays (id, endpoint_id, after_seq, to_seq, rate_per_second) values ($1, $2, $3, $4, $5)',
          [id, endpointId, after, to, ratePerSecond],
        );
        await client.query('insert into webhook_cursors (id, endpoint_id, position) values ($1, $2, $3)', [id, endpointId, after]);
        await client.query('update webhook_endpoints set version = version + 1 where id = $1', [endpointId]);
      });
      return id;
    } catch (error) {
      if ((error as { code?: string }).code === UNIQUE_VIOLATION) return undefined;
      throw error;
    }
  }

  async find(endpointId: string, id: string): Promise<Replay | undefined> {
    const { rows } = await this.pool.query<Replay>(`select ${COLUMNS} from ${FROM} where p.endpoint_id = $1 and p.id = $2`, [
      endpointId,
      id,
    ]);
    return rows[0];
  }

  /** Replays of an endpoint, newest first, before the id `before`. */
  async list(endpointId: string, before: string | undefined, limit: number): Promise<Replay[]> {
    const { rows } = await this.pool.query<Replay>(
      `select ${COLUMNS} from ${FROM} where p.endpoint_id = $1 and ($2::text is null or p.id < $2) order by p.id desc limit $3`,
      [endpointId, before ?? null, limit],
    );
    return rows;
  }

  /** Ends a running replay; what of it is not delivered is cancelled. */
  async cancel(endpointId: string, id: string): Promise<'cancelled' | 'unknown' | 'ended'> {
    return inTransaction(this.pool, async (client) => {
      // The endpoint's row first, as everybody does who also changes its deliveries.
      await client.query('select from webhook_endpoints where id = $1 for update', [endpointId]);
      const { rows } = await client.query<{ state: Replay['state'] }>(
        'select state from webhook_replays where endpoint_id = $1 and id = $2 for update',
        [endpointId, id],
      );
      if (!rows[0]) return 'unknown';
      if (rows[0].state !== 'running') return 'ended';
      await client.query(`update webhook_replays set state = 'cancelled', ended_at = now() where id = $1`, [id]);
      await client.query(
        `with locked as (select id from webhook_deliveries where endpoint_id = $1 and replay_id = $2 and state = 'open' order by id for update)
         update webhook_deliveries d set state = 'cancelled', ended_at = now() from locked where d.endpoint_id = $1 and d.id = locked.id`,
        [endpointId, id],
      );
      await client.query('delete from webhook_planned_batches where endpoint_id = $1 and replay_id = $2', [endpointId, id]);
      await client.query('update webhook_endpoints set version = version + 1 where id = $1', [endpointId]);
      return 'cancelled';
    });
  }

  /** The position before the first event received at or after `since`; the head of the log when there is none. */
  positionAt(since: Date): Promise<number> {
    return new LogRanges(this.pool).positionAt(since);
  }
}
