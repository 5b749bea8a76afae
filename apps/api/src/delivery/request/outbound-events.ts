import { Inject, Injectable } from '@nestjs/common';
import { EnvelopeWriter, type StoredEvent } from '@tributary/events';
import type { Pool } from 'pg';
import { envelopeOf, positionOf } from '../../events/envelopes.js';
import { selectEvents } from '../../store/event-select.js';
import type { EventFilter } from '../../filter/filter.js';
import { GenerationHistory, type GenerationStart } from '../../store/writer/generations.js';
import { LogRanges } from '../../store/log-ranges.js';
import { BATCH_CONTENT_TYPE } from './content-types.js';
import { inStoredOrder } from './stored-order.js';
import { POOL } from '../../resources.js';

/** A stored event on its way to receivers. Its JSON is made once, however many endpoints get it. */
export class OutboundEvent {
  private text: string | undefined;
  private buffer: Buffer | undefined;

  constructor(
    readonly event: StoredEvent,
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

/** One for each event, so that all endpoints share its JSON. */
const inMemory = new WeakMap<StoredEvent, OutboundEvent>();

/** An event that is in memory already. */
export function outboundEventOf(event: StoredEvent, history: readonly GenerationStart[], read: number): OutboundEvent {
  let outbound = inMemory.get(event);
  if (!outbound) {
    outbound = new OutboundEvent(event, () => JSON.stringify({ ...envelopeOf(event, history, read), data: inStoredOrder(event.data) }));
    inMemory.set(event, outbound);
  }
  return outbound;
}

/** A step of a reader through the log. */
export interface OutboundEventPage {
  entries: OutboundEvent[];
  /** Everything up to here was looked at. */
  reached: number;
  /** The oldest number that retention has left. */
  oldest: number;
  /** The generation of the log that was read. */
  generation: number;
}

/** A delivery whose events are read. */
export interface WantedDelivery {
  endpointId: string;
  id: string;
  /** Where it has no row of its own yet. */
  seqs?: readonly number[];
  /** What `seqs` are numbers of. */
  generation: number;
}

/** What a delivery is made of. */
export interface LoadedDelivery {
  /** Its events that still exist, in log order. */
  events: OutboundEvent[];
  /** Whether its body is an array; missing where it has had no attempt. */
  batch?: boolean;
}

/** Head, generation and oldest number in one column: they come with every row. */
const LOG = `h.seq || ' ' || h.generation || ' ' || h.oldest_seq as log`;
const COLUMNS = `e.seq::float8 as seq, e.id, e.type, e.creator_id as "creatorId", e.handle, e.room_id as "roomId",
  (extract(epoch from e.time) * 1000)::float8 as time, (extract(epoch from e.received_at) * 1000)::float8 as "receivedAt", e.data::text as data`;

type Row = Omit<StoredEvent, 'data' | 'raw'> & { data: string };

/** Reads stored events for deliveries. */
@Injectable()
export class OutboundEventReader {
  private readonly ranges: LogRanges;
  private readonly generations: GenerationHistory;

  constructor(@Inject(POOL) private readonly pool: Pool) {
    this.ranges = new LogRanges(pool);
    this.generations = new GenerationHistory(pool);
  }

  /**
   * Matching events after `after` and up to `to`, or the head of the log where that is before; at most `limit` (1 or more) of
   * them. It looks at a few days at most: go on from `reached`.
   */
  async page(filter: EventFilter, { after, to: wanted, limit }: { after: number; to: number; limit: number }): Promise<OutboundEventPage> {
    const look = await this.ranges.look({ from: after, until: wanted, order: 'asc' });
    const [window] = look.windows;
    if (!window) return { entries: [], reached: look.reached, oldest: look.head.oldestSeq, generation: look.head.generation };
    const select = selectEvents('*', filter, window, { order: 'asc', limit });
    // One snapshot: what the head says is complete is there.
    const { rows } = await this.pool.query<Row & { log: string }>(
      `with e as materialized (${select.text}) select ${LOG}, ${COLUMNS} from log_head h left join e on true order by e.seq`,
      select.values,
    );
    const [, generation = 0, oldest = 0] = rows[0]?.log.split(' ').map(Number) ?? [];
    // The days were those of a log that is gone meanwhile.
    if (generation !== look.head.generation) return { entries: [], reached: after, oldest, generation };
    const history = await this.generations.upTo(generation);
    const entries = rows.filter((row) => row.id !== null).map((row) => storedEntry(row, history));
    // Behind the last window there is nothing up to `look.reached`.
    const end = look.windows.length === 1 ? look.reached : window.until;
    return { entries, reached: entries.length === limit ? entries.at(-1)!.seq : end, oldest, generation };
  }

  /**
   * What these deliveries are made of, by delivery. `seqs`: its event numbers in `generation`, where it has no row yet. Missing key: the
   * database does not know the delivery, or its numbers now name other events. Empty list: its events were erased.
   */
  async ofDeliveries(wanted: readonly WantedDelivery[]): Promise<Map<string, LoadedDelivery>> {
    const { rows } = await this.pool.query<Row & { delivery: string; generation: number; known: boolean; form: string | null }>(
      `with w as materialized (
         select w.id, case when w.seqs is null then d.seqs
           when w.generation = h.generation or (select max(n) from unnest(w.seqs) n) <= log_reach(w.generation) then w.seqs end as seqs,
           d.attempts[cardinality(d.attempts)]::jsonb #>> '{same,headers,content-type}' as form
         from jsonb_to_recordset($1::jsonb) as w ("endpointId" text, id text, seqs bigint[], generation bigint) cross join log_head h
         left join webhook_deliveries d on w.seqs is null and d.endpoint_id = w."endpointId" and d.id = w.id)
       select w.id as delivery, w.form, w.seqs is not null as known, h.generation::float8 as generation, ${COLUMNS}
       from w cross join log_head h
       left join events_by_seq(array(select distinct n from w, unnest(w.seqs) as n)) e on e.seq = any(w.seqs)
       order by e.seq`,
      [JSON.stringify(wanted.map(({ endpointId, id, seqs, generation }) => ({ endpointId, id, seqs, generation })))],
    );
    const found = new Map<string, LoadedDelivery>();
    const history = await this.generations.upTo(rows[0]?.generation ?? 0);
    for (const row of rows) {
      if (!row.known) continue;
      const loaded = found.get(row.delivery) ?? { events: [], ...(row.form === null ? {} : { batch: row.form === BATCH_CONTENT_TYPE }) };
      found.set(row.delivery, loaded);
      if (row.id !== null) loaded.events.push(storedEntry(row, history));
    }
    return found;
  }
}

const writer = new EnvelopeWriter();

/** An event of a row. Its data is parsed when somebody asks for it, and not kept: many events wait in memory. */
class RowEvent implements StoredEvent {
  constructor(private readonly row: Row) {}

  get seq(): number {
    return this.row.seq;
  }
  get id(): string {
    return this.row.id;
  }
  get type(): string {
    return this.row.type;
  }
  get creatorId(): string {
    return this.row.creatorId;
  }
  get handle(): string {
    return this.row.handle;
  }
  get roomId(): string {
    return this.row.roomId;
  }
  get time(): number {
    return this.row.time;
  }
  get receivedAt(): number {
    return this.row.receivedAt;
  }
  get data(): object {
    return JSON.parse(this.row.data) as object;
  }
}

function storedEntry(row: Row, history: readonly GenerationStart[]): OutboundEvent {
  const event = new RowEvent(row);
  // Parsed and written anew: the text of the database has spaces, and numbers in forms of its own.
  return new OutboundEvent(event, () => writer.write(row, JSON.stringify(event.data), positionOf(row.seq, history)));
}
