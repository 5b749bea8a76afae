import { TokenBucket } from './limits.js';
import { type Endpoint, filterOf } from '../endpoint/endpoint.js';
import type { Delivery } from './delivery.js';
import { EndpointCursor, type EndpointCursorOptions } from './endpoint-cursor.js';
import type { EndpointLoad, OpenDelivery } from '../endpoint/endpoint-load.js';
import { DeliveryQueue, type Lookahead } from './queue.js';

/** One of the ways in which events come to an endpoint: the log as it grows, a replay, and deliveries that were retried by hand. */
export interface DeliveryStream {
  readonly name: 'live' | 'replay' | 'manual';
  readonly replayId?: string;
  readonly cursor?: EndpointCursor;
  readonly queue: DeliveryQueue;
  /** Deliveries of it that may be on the wire. */
  readonly concurrency: number;
  /** The rate limit of a replay. */
  readonly bucket?: TokenBucket;
}

/** A stream that has a position in the log. */
export type FollowingStream = DeliveryStream & { readonly cursor: EndpointCursor };

export interface Streams {
  live: FollowingStream;
  replay?: FollowingStream;
  manual: DeliveryStream;
}

/** What the streams of an endpoint need of it. */
export interface StreamParts extends Pick<
  EndpointCursorOptions,
  'hub' | 'entries' | 'planner' | 'health' | 'read' | 'expired' | 'outdated' | 'logger'
> {
  /** Sends what comes into the queues. */
  dispatcher: { wake(): void };
}

/** What is known from before the endpoint was loaded again. */
export interface Before {
  streams: Streams;
  /** Deliveries that left the wire while the database was read: what it says of them is old. */
  finished: ReadonlySet<string>;
}

const BATCHES_AHEAD = 2;
const AHEAD_TIMES_MAX = 8;

/** The streams that the database describes. Deliveries that were known before stay the same objects. */
export function streamsOf(load: EndpointLoad, parts: StreamParts, before?: Before): Streams {
  const { endpoint, replay, open } = load;
  const share = Math.max(1, Math.floor(endpoint.maxInFlight / 2));
  const queueOf = (name: DeliveryStream['name'], concurrency: number, mine: (delivery: OpenDelivery) => boolean) => {
    const old = before?.streams[name];
    // A replay has nothing of the one before it.
    const previous = name !== 'replay' || old?.replayId === replay?.id ? old?.queue : undefined;
    return renewQueue(endpoint, lookahead(endpoint, concurrency), parts.dispatcher, open.filter(mine), previous, before?.finished);
  };
  const following = (stream: DeliveryStream, position: number, end?: number): FollowingStream => ({
    ...stream,
    cursor: new EndpointCursor({
      ...parts,
      endpointId: endpoint.id,
      version: endpoint.version,
      ...(stream.replayId === undefined ? {} : { replayId: stream.replayId }),
      position,
      generation: load.generation,
      filter: filterOf(endpoint),
      owner: endpoint.owner,
      ...(end === undefined ? {} : { end }),
      ...(endpoint.batch ? { batch: endpoint.batch } : {}),
      queue: stream.queue,
    }),
  });
  const live = queueOf('live', endpoint.maxInFlight, ({ manual, replayId }) => !manual && replayId === null);
  const streams: Streams = {
    live: following({ name: 'live', concurrency: endpoint.maxInFlight, queue: live }, load.position),
    manual: { name: 'manual', concurrency: share, queue: queueOf('manual', share, ({ manual }) => manual) },
  };
  if (!replay) return streams;
  const queue = queueOf('replay', share, ({ manual, replayId }) => !manual && replayId === replay.id);
  const old = before?.streams.replay;
  // The same replay goes on at its rate, however often its endpoint is changed meanwhile.
  const kept = old?.replayId === replay.id && old.bucket?.perSecond === replay.ratePerSecond ? old.bucket : undefined;
  const bucket = kept ?? new TokenBucket(replay.ratePerSecond, Date.now(), Date.now());
  streams.replay = following({ name: 'replay', replayId: replay.id, concurrency: share, queue, bucket }, replay.position, replay.to);
  return streams;
}

/** All streams of an endpoint. */
export function allOf({ live, replay, manual }: Streams): DeliveryStream[] {
  return replay ? [live, replay, manual] : [live, manual];
}

/** A batch is much at once: two of them keep the wire busy, and more would only fill the memory. */
function lookahead({ batch }: Endpoint, concurrency: number): Lookahead {
  const min = batch ? Math.min(BATCHES_AHEAD, concurrency) : concurrency;
  return { min, max: batch ? min : AHEAD_TIMES_MAX * min };
}

function renewQueue(
  { ordered }: Endpoint,
  ahead: Lookahead,
  dispatcher: { wake(): void },
  open: readonly OpenDelivery[],
  previous: DeliveryQueue | undefined,
  finished: ReadonlySet<string> = new Set(),
): DeliveryQueue {
  const queue = previous?.ordered === ordered ? previous : new DeliveryQueue({ ordered, ahead, dispatcher });
  queue.resize(ahead);
  const waiting = previous?.waiting ?? [];
  const known = new Map(waiting.map((delivery) => [delivery.id, delivery]));
  const sending = new Set((previous?.onWire ?? []).map(({ id }) => id));
  // What left the wire while the database was read is newer here than there.
  const fresh = waiting.filter(({ id }) => finished.has(id));
  const rest = open.filter(({ delivery: { id } }) => !finished.has(id) && !sending.has(id));
  queue.replace([...fresh, ...rest.map(({ delivery }) => merged(known.get(delivery.id), delivery))]);
  return queue;
}

/** A delivery known already keeps what memory has of it; only a new time, given by hand, is taken over. */
function merged(known: Delivery | undefined, stored: Delivery): Delivery {
  if (!known || known.attempts !== stored.attempts) return stored;
  known.nextAttemptAt = stored.nextAttemptAt;
  known.generation = stored.generation;
  return known;
}
