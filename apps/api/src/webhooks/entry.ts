import { EnvelopeWriter, type StoredEvent, toEnvelope } from '@tributary/events';
import { encodeCursor } from '@tributary/log';
import type { Pool } from 'pg';
import { type EventFilter, toSql } from '../store/filter.js';

/** A stored event on its way to receivers. Its JSON is made once, however many endpoints get it. */
export class Entry {
  private text: string | undefined;
  private buffer: Buffer | undefined;

  constructor(
    readonly event: Pick<StoredEvent, 'seq' | 'type' | 'creatorId' | 'receivedAt'>,
    private readonly render: () => string,
  ) {}

  get seq(): number {
    return this.event.seq;
  }

  /** The event as a CloudEvent. */
  get json(): string {
    return (this.text ??= this.render());
  }

  /** The same in UTF-8. */
  get bytes(): Buffer {
    return (this.buffer ??= Buffer.from(this.json));
  }
}

/** An event that is in memory already. */
export function entryOf(event: StoredEvent, generation: number): Entry {
  return new Entry(event, () => JSON.stringify(toEnvelope(event, encodeCursor({ generation, seq: event.seq }))));
}

/** A step of a reader through the log. */
export interface EntryPage {
  entries: Entry[];
  /** Everything up to here was looked at. */
  reached: number;
  /** The oldest number that retention has left. */
  oldest: number;
}

/** Head, generation and oldest number in one column: they come with every row. */
const LOG = `h.seq || ' ' || h.generation || ' ' || h.oldest_seq as log`;
const COLUMNS = `e.seq::float8 as seq, e.id, e.type, e.creator_id as "creatorId", e.handle, e.room_id as "roomId",
  (extract(epoch from e.time) * 1000)::float8 as time, (extract(epoch from e.received_at) * 1000)::float8 as "receivedAt", e.data::text as data`;

type Row = Omit<StoredEvent, 'data' | 'raw'> & { data: string };

/** Reads stored events for deliveries; their data stays text from the database to the receiver. */
export class EntryReader {
  constructor(private readonly pool: Pool) {}

  /** Matching events after `after` and up to `to`, or the head of the log where that is before; at most `limit` (1 or more) of them. */
  async page(filter: EventFilter, { after, to: wanted, limit }: { after: number; to: number; limit: number }): Promise<EntryPage> {
    const params: unknown[] = [after, wanted, limit];
    const conditions = ['e.seq > $1', 'e.seq <= least(h.seq, $2)', ...toSql(filter, params)].join(' and ');
    // One snapshot: what the head says is complete is there.
    const { rows } = await this.pool.query<Row & { log: string }>(
      `select ${LOG}, ${COLUMNS}
       from log_head h left join lateral (select * from events e where ${conditions} order by e.seq limit $3) e on true`,
      params,
    );
    const [head = after, generation = 0, oldest = 0] = rows[0]?.log.split(' ').map(Number) ?? [];
    const entries = rows.filter((row) => row.id !== null).map((row) => storedEntry(row, generation));
    const reached = entries.length === limit ? entries.at(-1)!.seq : Math.max(after, Math.min(head, wanted));
    return { entries, reached, oldest };
  }

  /**
   * The events of these deliveries that still exist, in log order, by delivery; `seqs` where it has no row of its own yet.
   * A delivery of which nothing is known is missing in the result: that is not the same as one whose events were erased.
   */
  async ofDeliveries(wanted: readonly { endpointId: string; id: string; seqs?: readonly number[] }[]): Promise<Map<string, Entry[]>> {
    const { rows } = await this.pool.query<Row & { delivery: string; generation: number; known: boolean }>(
      `select w.id as delivery, s.seqs is not null as known, h.generation::float8 as generation, ${COLUMNS}
       from jsonb_to_recordset($1::jsonb) as w ("endpointId" text, id text, seqs bigint[])
       cross join log_head h
       left join webhook_deliveries d on w.seqs is null and d.endpoint_id = w."endpointId" and d.id = w.id
       cross join lateral (select coalesce(w.seqs, d.seqs) as seqs) s
       left join events e on e.seq = any(s.seqs)
       order by e.seq`,
      [JSON.stringify(wanted.map(({ endpointId, id, seqs }) => ({ endpointId, id, seqs })))],
    );
    const found = new Map<string, Entry[]>();
    for (const row of rows) {
      if (!row.known) continue;
      const entries = found.get(row.delivery) ?? [];
      found.set(row.delivery, entries);
      if (row.id !== null) entries.push(storedEntry(row, row.generation));
    }
    return found;
  }
}

const writer = new EnvelopeWriter();

function storedEntry(row: Row, generation: number): Entry {
  return new Entry(row, () => writer.write(row, row.data, encodeCursor({ generation, seq: row.seq })));
}
