import type { Pool } from 'pg';
import { SystemEventWriter, type SystemEventWriterOptions } from '../../store/writer/system-event-writer.js';

export interface EndpointEventOutboxOptions extends SystemEventWriterOptions {
  pool: Pool;
}

const EVENTS_MAX = 100;

/**
 * Publishes in the log what happened to endpoints (`monitor.webhook`). Such an event is written with the change that it is about, and
 * removed when it is in the log. Its id is the same however often that is tried.
 */
export class EndpointEventOutbox {
  private readonly events: SystemEventWriter;

  constructor(private readonly options: EndpointEventOutboxOptions) {
    this.events = new SystemEventWriter(options);
  }

  /** Publishes the events that wait. @returns how many there were */
  async publishPending(): Promise<number> {
    const { pool } = this.options;
    const { rows } = await pool.query<{ id: string; endpoint: string; ms: number; data: object }>(
      `select id, endpoint_id as endpoint, (extract(epoch from at) * 1000)::float8 as ms, data from webhook_event_outbox order by id limit $1`,
      [EVENTS_MAX],
    );
    if (rows.length === 0) return 0;
    const pending = rows.map(({ id, endpoint, ms, data }) => ({
      id: `${endpoint}-${Math.round(ms)}-${id}`,
      type: 'monitor.webhook',
      creator: endpoint,
      handle: '',
      room: '',
      at: ms,
      data,
    }));
    await this.events.commit(() => pending);
    await pool.query('delete from webhook_event_outbox where id = any($1)', [rows.map(({ id }) => id)]);
    return rows.length;
  }
}
