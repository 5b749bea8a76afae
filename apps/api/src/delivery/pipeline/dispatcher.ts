import { type Logger, reasonOf } from '@tributary/runtime';
import { type Attempt, AttemptSender } from '../request/attempt.js';
import { testOf } from '../../filter/filter.js';
import { type DisabledReason, type Endpoint, filterOf, isEntitled } from '../endpoint/endpoint.js';
import type { LoadedDelivery, OutboundEvent, WantedDelivery } from '../request/outbound-events.js';
import type { GuardedHttp } from '../../outbound/guarded-http.js';
import type { Outcome } from '../../outbound/outcome.js';
import { type FairSemaphore, TokenBucket } from './limits.js';
import { nextStep, type RetryPolicy } from '../request/retry-policy.js';
import type { Delivery } from './delivery.js';
import { EndpointHealth, type StoredHealth } from '../endpoint/endpoint-health.js';
import type { ReplacedDelivery } from './delivery-replacer.js';
import type { Recorder, Result } from './recorder.js';
import { allOf, type DeliveryStream, type Streams } from './stream.js';

/** What all dispatchers of one process share. */
export interface DispatcherParts {
  http: GuardedHttp;
  /** Bounds the requests of the process. */
  sends: FairSemaphore;
  policy: RetryPolicy;
  recorder: Recorder;
  logger: Logger;
  /** Nothing is sent when this process may have lost its claims. */
  claims: { readonly isAlive: boolean };
  /** What a delivery is made of; undefined when the database does not know it. */
  loadEvents(wanted: WantedDelivery): Promise<LoadedDelivery | undefined>;
  /** Puts a delivery of the events that are still wanted in the place of one that was sent with more. */
  replace(replaced: ReplacedDelivery): Promise<Delivery | undefined>;
  observe(attempt: { outcome: Outcome; state: Result['state']; events: number; lateMs: number }): void;
}

/** What a dispatcher asks of whoever holds its endpoint. */
export interface DispatcherEvents {
  /** The database knows nothing of a delivery: what is known of the endpoint is old. */
  outdated(): void;
  /** The endpoint is to be disabled. `since`: from when on every attempt has failed, ms since 1970. */
  disable(reason: DisabledReason, since: number): Promise<void>;
}

/** First attempts go out with the events that were planned; later ones read them again, because events can be erased. */
const EVENTS_FRESH_MS = 5_000;
const RETRY_MS = 1_000;
const UNRECORDED_MAX = 2_000;
const UNRECORDED_WAIT_MS = 20;
/** The longest wait of a timer: one of more than 24 days would fire at once. */
const TIMER_MS_MAX = 3_600_000;

/**
 * Stage 4: sends the deliveries of one endpoint as its limits allow, and decides what follows from each answer: it has ended, or it goes
 * back into its queue for a further attempt. Each answer goes to the recorder.
 */
export class Dispatcher {
  readonly health: EndpointHealth;
  private sender: AttemptSender;
  private wants: (event: OutboundEvent['event']) => boolean;
  private bucket: TokenBucket | undefined;
  private onWire = 0;
  private paused = false;
  private stopped = false;
  /** Its process ends: what comes of requests under way is for the next process to find out. */
  private abandoned = false;
  private timer: NodeJS.Timeout | undefined;
  private woken = false;
  private idle: (() => void) | undefined;
  private served: DeliveryStream['name'] | undefined;
  /** Deliveries that left the wire since {@link pause}. */
  private finished: Set<string> | undefined;

  constructor(
    private endpoint: Endpoint,
    stored: StoredHealth,
    private readonly parts: DispatcherParts,
    private readonly events: DispatcherEvents,
    /** The present streams of the endpoint. */
    private readonly streams: () => Streams,
  ) {
    this.health = new EndpointHealth(stored, concurrencyOf(endpoint), parts.policy);
    this.sender = new AttemptSender(endpoint, parts.http);
    this.wants = testOf(filterOf(endpoint));
    // Whoever has served it until now may have used up its rate.
    this.bucket = bucketOf(endpoint, Math.max(stored.succeededAt ?? -Infinity, stored.failedAt ?? -Infinity));
  }

  /** Requests on the wire. */
  get sending(): number {
    return this.onWire;
  }

  /** There may be something to send. */
  readonly wake = (): void => {
    if (this.woken || this.stopped) return;
    this.woken = true;
    setImmediate(() => {
      this.woken = false;
      this.dispatch();
    });
  };

  /** Sends nothing more until {@link resume}. @returns ids of deliveries that leave the wire meanwhile */
  pause(): ReadonlySet<string> {
    this.paused = true;
    clearTimeout(this.timer);
    return (this.finished = new Set());
  }

  /** Takes over changed settings and goes on. */
  resume(endpoint: Endpoint, stored: StoredHealth): void {
    this.endpoint = endpoint;
    this.sender = new AttemptSender(endpoint, this.parts.http);
    this.wants = testOf(filterOf(endpoint));
    if (this.bucket?.perSecond !== endpoint.ratePerSecond) this.bucket = bucketOf(endpoint, Date.now());
    this.health.reset(concurrencyOf(endpoint), stored);
    this.finished = undefined;
    this.paused = false;
    this.wake();
  }

  /** Ends it; resolves when nothing of it is on the wire. What is still out after `waitMs` is not recorded any more. */
  async stop(waitMs: number): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    this.parts.sends.cancelWait(this);
    if (this.onWire === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise<void>((resolve) => (this.idle = resolve)),
      new Promise((resolve) => (timer = setTimeout(resolve, waitMs))),
    ]);
    clearTimeout(timer);
    this.abandoned = true;
  }

  /** Sends what may be sent now, lets the cursors go on, and sets the timer for what may be sent later. */
  private readonly dispatch = (): void => {
    if (this.paused || this.stopped) return;
    const now = Date.now();
    let at = now + this.sendReady(now);
    for (const { queue, cursor } of allOf(this.streams())) {
      cursor?.advance(now);
      if (queue.nextAttemptAt !== undefined && queue.nextAttemptAt > now) at = Math.min(at, queue.nextAttemptAt);
    }
    clearTimeout(this.timer);
    if (Number.isFinite(at)) this.timer = setTimeout(this.wake, Math.min(at - now, TIMER_MS_MAX));
  };

  /** Sends what may be sent; the result is the time in ms after which a limit allows more, infinite where none holds it back. */
  private sendReady(now: number): number {
    // Nothing is sent for an owner whose right has ended. The next look at the claims disables the endpoint.
    if (!this.parts.claims.isAlive || !isEntitled(this.endpoint.owner, now)) return RETRY_MS;
    // What was sent must be written down before much more is: a database that is slow holds sending back.
    if (this.parts.recorder.size > UNRECORDED_MAX) return UNRECORDED_WAIT_MS;
    if (this.health.restUntil > now) return this.health.restUntil - now;
    let waitMs = Infinity;
    for (const stream of this.inTurn()) {
      while (this.onWire < this.health.concurrencyLimit && stream.queue.sending < stream.concurrency && stream.queue.hasDue(now)) {
        const limit = TokenBucket.takeAll([this.bucket, stream.bucket], now);
        if (limit !== undefined) {
          waitMs = Math.min(waitMs, limit);
          break;
        }
        const delivery = this.parts.sends.tryAcquire(this, this.dispatch) ? stream.queue.take(now) : undefined;
        if (!delivery) {
          this.bucket?.refund();
          stream.bucket?.refund();
          return waitMs;
        }
        this.served = stream.name;
        this.onWire += 1;
        void this.send(stream, delivery);
      }
    }
    return waitMs;
  }

  /** The streams, the one that was served last at the end: an ordered endpoint has one place for all of them. */
  private inTurn(): DeliveryStream[] {
    return allOf(this.streams()).sort((a, b) => Number(a.name === this.served) - Number(b.name === this.served));
  }

  private async send(stream: DeliveryStream, delivery: Delivery): Promise<void> {
    const sent = await this.attempt(stream, delivery);
    this.onWire -= 1;
    if (!this.abandoned) await this.conclude(stream, delivery, sent);
    this.parts.sends.release(this);
    if (this.onWire === 0) this.idle?.();
    // Its place is taken before other answers are looked at: they wait, and the receiver has work meanwhile.
    if (!this.paused && !this.stopped) this.sendReady(Date.now());
    this.wake();
  }

  /**
   * `unprepared`: its events cannot be read now. `unknown`: the database knows nothing of it. `erased`: none of its events exists any
   * more. `cancelled`: the endpoint's filter leaves all of them out by now. `rest`: it was sent, and the filter leaves some out by now;
   * these numbers are still wanted.
   */
  private async attempt(
    { replayId }: DeliveryStream,
    delivery: Delivery,
  ): Promise<(Attempt & { seqs: readonly number[] }) | { rest: readonly number[] } | 'unprepared' | 'unknown' | 'erased' | 'cancelled'> {
    try {
      const { id, generation, planned, attempts, events: kept } = delivery;
      delete delivery.events;
      const found: (Readonly<Pick<LoadedDelivery, 'batch'>> & { events: readonly OutboundEvent[] }) | undefined =
        kept && Date.now() - delivery.nextAttemptAt < EVENTS_FRESH_MS
          ? { events: kept }
          : await this.parts.loadEvents({ endpointId: this.endpoint.id, id, generation, ...(planned ? { seqs: planned.seqs } : {}) });
      if (!found) return 'unknown';
      if (found.events.length === 0) return 'erased';
      // Whatever its numbers name: what the endpoint did not ask for is never sent to it.
      const entries = found.events.filter(({ event }) => this.wants(event));
      if (entries.length === 0) return 'cancelled';
      const seqs = entries.map(({ seq }) => seq);
      // Retried by hand it counts its attempts anew.
      const wasSent = attempts > 0 || !planned;
      if (wasSent && entries.length < found.events.length) return { rest: seqs };
      const batch = delivery.batch ?? found.batch;
      const sent = await this.sender.send({ id, entries, ...(batch === undefined ? {} : { batch }), ...(replayId ? { replayId } : {}) });
      return { ...sent, seqs };
    } catch (error) {
      const { logger } = this.parts;
      const about = { endpoint: this.endpoint.id, delivery: delivery.id, reason: reasonOf(error) };
      logger.warn(about, 'a webhook delivery could not be prepared; trying again');
      return 'unprepared';
    }
  }

  /** Decides what follows from an attempt, for the delivery and for the endpoint. */
  private async conclude(stream: DeliveryStream, delivery: Delivery, sent: Awaited<ReturnType<Dispatcher['attempt']>>): Promise<void> {
    const now = Date.now();
    if (sent === 'unprepared') {
      delivery.nextAttemptAt = now + RETRY_MS;
      return stream.queue.retry(delivery);
    }
    if (sent === 'unknown') {
      // A delivery of a log that is gone: if the database has it after all, it is read with everything else.
      stream.queue.remove(delivery);
      return this.events.outdated();
    }
    if (sent === 'erased' || sent === 'cancelled') return this.finish(stream, delivery, { state: sent, nextAttemptAt: now });
    if ('rest' in sent) return this.replace(stream, delivery, sent.rest);
    const { policy } = this.parts;
    const { outcome, record, events, seqs, batch } = sent;
    // What was sent is what it is from now on, whatever was planned.
    delivery.batch = batch;
    if (delivery.planned) delivery.planned = { ...delivery.planned, seqs };
    const step = nextStep(policy, delivery.attempts + 1, outcome);
    this.health.observe(outcome, this.endpoint.timeoutMs, now);
    const state = step.kind === 'retry' ? 'open' : step.kind;
    this.finish(stream, delivery, { state, nextAttemptAt: step.kind === 'retry' ? now + step.afterMs : now, record });
    this.parts.observe({ outcome, state, events, lateMs: now - delivery.since });
    const failingMs = this.health.failingMs(now);
    if (outcome.category === 'gone') await this.events.disable('gone', now);
    else if (failingMs >= policy.disableAfterMs) await this.events.disable('failing', now - failingMs);
  }

  private finish(stream: DeliveryStream, delivery: Delivery, came: Pick<Result, 'state' | 'nextAttemptAt' | 'record'>): void {
    const { id, attempts, planned } = delivery;
    const { state, nextAttemptAt } = came;
    const first =
      attempts === 0 && planned ? { seqs: planned.seqs, replayId: stream.replayId ?? null, createdAt: planned.batch.createdAt } : undefined;
    delivery.attempts += 1;
    delivery.nextAttemptAt = nextAttemptAt;
    this.parts.recorder.record({ endpointId: this.endpoint.id, delivery, attempt: attempts + 1, first, ...came });
    this.finished?.add(id);
    if (state !== 'open') {
      delivery.state = state;
      return stream.queue.remove(delivery);
    }
    this.putBack(stream, delivery);
  }

  /** The body of a `webhook-id` never changes: what is still wanted of a delivery goes on under an id of its own, in its place. */
  private async replace(stream: DeliveryStream, delivery: Delivery, seqs: readonly number[]): Promise<void> {
    let replacement: Delivery | undefined;
    try {
      replacement = await this.parts.replace({ endpointId: this.endpoint.id, delivery, seqs });
    } catch (error) {
      this.parts.logger.warn(
        { endpoint: this.endpoint.id, delivery: delivery.id, reason: reasonOf(error) },
        'a webhook delivery could not be replaced; trying again',
      );
      delivery.nextAttemptAt = Date.now() + RETRY_MS;
      return stream.queue.retry(delivery);
    }
    delivery.state = 'cancelled';
    this.finished?.add(delivery.id);
    stream.queue.remove(delivery);
    if (replacement) this.putBack(stream, replacement);
    else this.events.outdated();
  }

  /** Puts a delivery that left the wire into its queue, at the place of what is tried again. */
  private putBack(stream: DeliveryStream, delivery: Delivery): void {
    const successor = this.streams()[stream.name];
    const queue = successor?.replayId === stream.replayId ? successor?.queue : undefined;
    if (queue === stream.queue) queue.retry(delivery);
    // The endpoint was made ordered or parallel while it was on the wire.
    else queue?.add([delivery]);
  }
}

/** Requests an endpoint may have on the wire, whatever they are for. */
function concurrencyOf({ ordered, maxInFlight }: Endpoint): number {
  return ordered ? 1 : maxInFlight;
}

function bucketOf({ ratePerSecond }: Endpoint, emptyAt: number): TokenBucket | undefined {
  return ratePerSecond === undefined ? undefined : new TokenBucket(ratePerSecond, Date.now(), emptyAt);
}
