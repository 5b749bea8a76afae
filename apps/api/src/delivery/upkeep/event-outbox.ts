import { type Logger, reasonOf } from '@tributary/runtime';
import type { FeedWriter } from '@tributary/log';
import type { Pool } from 'pg';
import type { Committer } from '../../store/committer.js';

export interface EndpointEventOutboxOptions {
  pool: Pool;
  committer: Pick<Committer, 'head' | 'commit'>;
  feed: Pick<FeedWriter, 'publish'>;
  logger: Logger;
}

const EVENTS_MAX = 100;
const TRIES = 20;

/**
 * Publishes in the log what happened to endpoints (`monitor.webhook`). Such an event is written with the change that it is about, and
 * removed when it is in the log. Its id is the same however often that is tried.
 */
export class EndpointEventOutbox {
  constructor(private readonly options: EndpointEventOutboxOptions) {}

  /** Publishes the events that wait. @returns how many there were */
  async publishPending(): Promise<number> {
    const { pool, committer, feed, logger } = this.options;
    const { rows } = await pool.query<{ id: string; endpoint: string; ms: number; data: object }>(
      `select id, endpoint_id as endpoint, (extract(epoch from at) * 1000)::float8 as ms, data from webhook_event_outbox order by id limit $1`,
      [EVENTS_MAX],
    );
    if (rows.length === 0) return 0;
    const entries = rows.map(({ id, endpoint, ms, data }) => ({
      partition: 0,
      entryId: `notice-${id}`,
      fields: {
        id: `${endpoint}-${Math.round(ms)}-${id}`,
        type: 'monitor.webhook',
        creator: endpoint,
        handle: '',
        room: '',
        ts: String(Math.round(ms)),
        at: String(Math.round(ms)),
        data: JSON.stringify(data),
      },
    }));
    // The store's writer moves the same head: whoever was later looks again.
    for (let tries = 0; tries < TRIES; tries++) {
      const head = await committer.head();
      const result = await committer.commit(head, { from: head.positions, to: head.positions, entries });
      if (result.kind === 'lost') continue;
      await pool.query('delete from webhook_event_outbox where id = any($1)', [rows.map(({ id }) => id)]);
      try {
        await feed.publish({ generation: result.generation, after: result.after, to: result.to }, result.eventsJson);
      } catch (error) {
        // Live readers notice by themselves that the head has moved.
        logger.debug({ reason: reasonOf(error) }, 'an event about a webhook endpoint could not be published at once');
      }
      return rows.length;
    }
    throw new Error(`the log moved ${TRIES} times while an event was to be written`);
  }
}
