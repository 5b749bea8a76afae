import type { Pool } from 'pg';
import { DeliveryIds } from '../../delivery/pipeline/delivery.js';
import { FILTER_FIELDS } from '../../filter/fields.js';
import type { DeliveryFilter, DeliveryRow, DeliveryStore } from './delivery-store.js';

/** What of an event is shown of a delivery. */
export interface DeliveredEvent {
  seq: number;
  id: string;
  type: string;
  creatorId: string;
  /** The creator's handle at that time. */
  handle: string;
}

/** Which deliveries are looked for, beyond what their rows say. */
export interface ContentFilter {
  /** Types or patterns; missing: all. */
  types?: string[];
  /** Internal ids; missing: all. */
  creatorIds?: string[];
  /** One event of the log, and when it was received: no delivery of it was made before. */
  event?: { seq: number; receivedAt: number };
  /** Internal ids of the creators whose events may be seen; missing: all. */
  allowedCreators?: readonly string[];
}

/** A delivery with its events that still exist and may be seen, in log order: of a list the first {@link EVENTS_SHOWN_MAX}. */
export interface FoundDelivery {
  row: DeliveryRow;
  events: DeliveredEvent[];
}

/** Deliveries that were found; `next` leads on where there are more, or may be. */
export interface FoundPage {
  found: FoundDelivery[];
  next: string | undefined;
}

/** Events of one delivery that a list reads to say what it is about: a batch may hold 500. */
export const EVENTS_SHOWN_MAX = 25;
/** Deliveries that are looked at in one step, and events that are read for them. */
const STEP_MAX = 1_000;
const STEP_EVENTS_MAX = 20_000;
/** A page that takes longer ends early: its `next` leads on. */
const PAGE_MS_MAX = 1_500;
/** Clocks of two machines may differ by this. */
const CLOCK_MS = 60_000;

/** Finds deliveries by what is in them. Their rows hold numbers of events only, so they are looked through, for a bounded time. */
export class DeliverySearch {
  constructor(
    private readonly pool: Pool,
    private readonly deliveries: Pick<DeliveryStore, 'list'>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Deliveries of an endpoint, newest first, before the id `before`: at most `limit`, with fewer, even none, where time runs out. */
  async page(endpointId: string, filter: DeliveryFilter & ContentFilter, before: string | undefined, limit: number): Promise<FoundPage> {
    const { types, creatorIds, event } = filter;
    const isSearch = types !== undefined || creatorIds !== undefined || event !== undefined;
    const oldest = event && DeliveryIds.from(Math.max(0, event.receivedAt - CLOCK_MS));
    const deadline = this.now() + PAGE_MS_MAX;
    const found: FoundDelivery[] = [];
    const isWanted = contentTest(filter);
    for (let from = before; ;) {
      const size = isSearch ? STEP_MAX : limit + 1;
      const rows = await this.deliveries.list(endpointId, { ...filter, ...(oldest ? { after: oldest } : {}) }, from, size);
      const step = isSearch ? bounded(rows) : rows;
      const candidates = event ? step.filter(({ seqs }) => seqs.includes(event.seq)) : step;
      const seqsMax = (types ?? creatorIds) ? Infinity : EVENTS_SHOWN_MAX;
      const events = await this.events(
        candidates.flatMap(({ seqs }) => seqs.slice(0, seqsMax)),
        filter.allowedCreators,
      );
      for (const row of candidates) {
        const own = row.seqs.flatMap((seq) => events.get(seq) ?? []);
        if (!isWanted(own)) continue;
        if (found.length === limit) return { found, next: found.at(-1)!.row.id };
        found.push({ row, events: own.slice(0, EVENTS_SHOWN_MAX) });
      }
      from = step.at(-1)?.id ?? from;
      if (step.length === rows.length && rows.length < size) return { found, next: undefined };
      if (this.now() > deadline) return { found, next: from };
    }
  }

  /** These events, as far as they still exist and are of creators in `allowedCreators`, by number. */
  async events(seqs: readonly number[], allowedCreators?: readonly string[]): Promise<Map<number, DeliveredEvent>> {
    if (seqs.length === 0) return new Map();
    const { rows } = await this.pool.query<DeliveredEvent>(
      `select seq::float8 as seq, id, type, creator_id as "creatorId", handle from events_by_seq($1::bigint[])`,
      [[...new Set(seqs)]],
    );
    const visible = allowedCreators && new Set(allowedCreators);
    return new Map(rows.filter(({ creatorId }) => !visible || visible.has(creatorId)).map((row) => [row.seq, row]));
  }
}

/** The first rows whose events are few enough to be read at once; one at least. */
function bounded(rows: DeliveryRow[]): DeliveryRow[] {
  let events = 0;
  const end = rows.findIndex(({ seqs }, i) => (events += seqs.length) > STEP_EVENTS_MAX && i > 0);
  return end === -1 ? rows : rows.slice(0, end);
}

/** A test of deliveries by their events: one is of a wanted type and creator. */
function contentTest({ types, creatorIds }: ContentFilter): (events: readonly DeliveredEvent[]) => boolean {
  if (!types && !creatorIds) return () => true;
  const [ofType, ofCreator] = [types && FILTER_FIELDS.types.test(types), creatorIds && FILTER_FIELDS.creatorIds.test(creatorIds)];
  return (events) => events.some((event) => (!ofType || ofType(event)) && (!ofCreator || ofCreator(event)));
}
