import { type DeliveryIds, type Endpoint, filterOf } from './endpoint.js';
import type { EntryReader } from './entry.js';
import { type Lane, type OpenDelivery, OrderedLane, ParallelLane } from './lanes.js';
import type { LogTail } from './log-tail.js';
import { TokenBucket } from './pace.js';
import { LogReader } from './reader.js';
import type { EndpointLoad, OpenRow } from './runner-store.js';

/** Where deliveries of an endpoint come from: the log as it grows, a replay, and what is retried by hand. */
export interface Source {
  name: 'live' | 'replay' | 'again';
  lane: Lane;
  reader?: LogReader;
  /** Deliveries of it that may be on the wire. */
  open: number;
  /** Deliveries that are made ready behind those: `min`, and up to `max` while the wire would wait for the database. */
  ahead: { now: number; readonly min: number; readonly max: number };
  bucket?: TokenBucket;
}

/** The sources of one endpoint. */
export interface Sources {
  live: Source & { reader: LogReader };
  replay?: Source & { reader: LogReader };
  again: Source;
}

export interface SourceParts {
  tail: LogTail;
  entries: EntryReader;
  ids: DeliveryIds;
  wake(): void;
  expired(oldest: number): void;
  outdated(): void;
}

/** What is known from before a reload: lanes with what is on the wire, and what left it while the rows were read. */
export interface Before {
  sources: Sources;
  finished: ReadonlySet<string>;
}

const BATCHES_AHEAD = 2;
const AHEAD_TIMES_MAX = 8;
/** A source that cuts less often than this has no need to be ahead of itself, in ms. */
const SLOW_MS = 1_000;

/** Sources as the database describes them; deliveries that were there before stay the same objects. */
export function sourcesOf({ endpoint, generation, position, replay, open }: EndpointLoad, parts: SourceParts, before?: Before): Sources {
  const common = { ...parts, generation, filter: filterOf(endpoint), batch: endpoint.batch };
  const lane = (name: Source['name'], rows: OpenRow[]) => {
    const old = before?.sources[name];
    // A replay has nothing of the one before it.
    const isSame = name !== 'replay' || old?.reader?.id === replay?.id;
    return laneOf(endpoint, rows, isSame ? old?.lane : undefined, before?.finished);
  };
  const share = Math.max(1, Math.floor(endpoint.maxInFlight / 2));
  // A batch is much at once: two of them keep the wire busy, and more would only fill the memory.
  const ahead = (places: number) => {
    const min = endpoint.batch ? Math.min(BATCHES_AHEAD, places) : places;
    return { open: places, ahead: { now: min, min, max: endpoint.batch ? min : AHEAD_TIMES_MAX * min } };
  };
  const live = open.filter(({ again, replayId }) => !again && replayId === null);
  const again = open.filter((row) => row.again);
  return {
    live: {
      name: 'live',
      lane: lane('live', live),
      reader: new LogReader({ ...common, id: endpoint.id, position }),
      ...ahead(endpoint.maxInFlight),
    },
    ...(replay ? { replay: replayOf(replay) } : {}),
    again: { name: 'again', lane: lane('again', again), ...ahead(share) },
  };

  function replayOf({ id, position: at, to, ratePerSecond }: NonNullable<EndpointLoad['replay']>): Source & { reader: LogReader } {
    const rows = open.filter((row) => !row.again && row.replayId === id);
    return {
      name: 'replay',
      lane: lane('replay', rows),
      reader: new LogReader({ ...common, id, replayId: id, position: at, end: to }),
      ...ahead(share),
      bucket: new TokenBucket(ratePerSecond),
    };
  }
}

/** Takes up deliveries that were cut, and judges by whether the last ones were used up how far ahead the next cut should be. */
export function supply({ lane, ahead }: Source, deliveries: readonly OpenDelivery[], cutMs: number): void {
  if (cutMs > SLOW_MS) ahead.now = ahead.min;
  else if (lane.isDry && deliveries.length >= ahead.now / 2) ahead.now = Math.min(ahead.max, 2 * ahead.now);
  lane.add(deliveries);
}

/** A bucket for a rate limit, where there is one. */
export function bucketOf(perSecond: number | undefined): TokenBucket | undefined {
  return perSecond === undefined ? undefined : new TokenBucket(perSecond);
}

/** Takes a token of each bucket; when one has none, takes none and says in how many ms it has. */
export function limited(buckets: readonly (TokenBucket | undefined)[], now: number): number | undefined {
  const taken: TokenBucket[] = [];
  for (const bucket of buckets) {
    if (!bucket) continue;
    const verdict = bucket.take(now);
    if (!verdict.taken) {
      for (const other of taken) other.giveBack();
      return verdict.waitMs;
    }
    taken.push(bucket);
  }
  return undefined;
}

function laneOf({ ordered }: Endpoint, rows: readonly OpenRow[], old: Lane | undefined, finished: ReadonlySet<string> = new Set()): Lane {
  const fits = old instanceof (ordered ? OrderedLane : ParallelLane);
  const made = old && fits ? old : ordered ? new OrderedLane() : new ParallelLane();
  const idle = old?.idle ?? [];
  const known = new Map(idle.map((delivery) => [delivery.id, delivery]));
  const wire = new Set((old?.onWire ?? []).map(({ id }) => id));
  // What left the wire while the rows were read is newer here than there.
  const fresh = idle.filter(({ id }) => finished.has(id));
  const rest = rows.filter(({ id }) => !finished.has(id) && !wire.has(id));
  made.replace([...fresh, ...rest.map((row) => merged(known.get(row.id), row))]);
  return made;
}

/** A delivery known already keeps what memory has of it; only a new time, given by hand, is taken over. */
function merged(known: OpenDelivery | undefined, row: OpenRow): OpenDelivery {
  if (!known || known.attempt !== row.attempt) {
    const { id, attempt, nextAt, since, generation } = row;
    return { id, attempt, nextAt, since, generation, ...(row.cut ? { cut: row.cut } : {}) };
  }
  known.nextAt = row.nextAt;
  known.generation = row.generation;
  return known;
}
