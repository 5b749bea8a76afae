import { type Logger, reasonOf } from '@tributary/runtime';
import { type Attempt, Sender } from './attempt.js';
import type { Cutter } from './cutter.js';
import { Conduct } from './conduct.js';
import { type DeliveryIds, type DisabledReason, type Endpoint, judgeOf } from './endpoint.js';
import type { Entry, EntryReader, WantedDelivery } from './entry.js';
import type { GuardedHttp } from './guard/guarded-http.js';
import type { Outcome } from './guard/outcome.js';
import type { Cut, OpenDelivery } from './lanes.js';
import type { LogTail } from './log-tail.js';
import type { SendGate, TokenBucket } from './pace.js';
import type { LogReader, Move } from './reader.js';
import type { Results } from './results.js';
import { nextStep, type RetryPolicy } from './retry.js';
import type { EndpointLoad, Result } from './runner-store.js';
import { bucketOf, limited, type Source, type SourceParts, type Sources, sourcesOf, supply } from './sources.js';

/** What the runners of one process share. */
export interface RunnerParts {
  tail: LogTail;
  entries: EntryReader;
  ids: DeliveryIds;
  http: GuardedHttp;
  gate: SendGate;
  policy: RetryPolicy;
  results: Results;
  logger: Logger;
  /** Whether this process still holds its claims: nothing is sent when it may have lost them. */
  alive(): boolean;
  cutter: Cutter;
  /** Runs `work`, with few others at a time. */
  read(work: () => Promise<void>): Promise<void>;
  /** The events of an open delivery that still exist; undefined when the database does not know it. */
  load(wanted: WantedDelivery): Promise<Entry[] | undefined>;
  /** What the runner knows is not what the database says: reads the endpoint anew. */
  outdated(runner: EndpointRunner): void;
  /** Disables the endpoint in the database; never throws. */
  disable(runner: EndpointRunner, reason: DisabledReason, since: number): Promise<void>;
  /** Retention has taken events that the endpoint had not got: those before the number `oldest`. */
  expired(runner: EndpointRunner, oldest: number): void;
  observe(runner: EndpointRunner, attempt: { outcome: Outcome; state: Result['state']; events: number; lateMs: number }): void;
}

/** First attempts go out with the events that were cut; later ones look again, because events can be erased. */
const ENTRIES_FRESH_MS = 5_000;
/** An endpoint that rests for longer than this holds no events meanwhile. */
const SHED_MS = 5_000;
const LOAD_RETRY_MS = 1_000;
const UNWRITTEN_MAX = 2_000;
const UNWRITTEN_WAIT_MS = 20;

/** Runs one endpoint while this process holds it: cuts its part of the log into deliveries and sends them. */
export class EndpointRunner {
  readonly startedAt = performance.now();
  readonly conduct: Conduct;
  endpoint: Endpoint;
  private sources: Sources;
  private sender: Sender;
  private wants: ReturnType<typeof judgeOf>;
  private bucket: TokenBucket | undefined;
  private onWire = 0;
  private frozen = false;
  private stopped = false;
  /** Its process ends: what comes of requests under way is for the next runner to find out. */
  private abandoned = false;
  private readonly filling = new Set<LogReader>();
  private fillAt = 0;
  private suppliedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private pumping = false;
  /** Ids that left the wire while {@link reload} read the database: what it read of them is old. */
  private finished: Set<string> | undefined;
  private idle: (() => void) | undefined;
  private served: Source['name'] | undefined;

  constructor(
    load: EndpointLoad,
    private readonly parts: RunnerParts,
  ) {
    this.endpoint = load.endpoint;
    this.conduct = new Conduct(load.health, placesOf(load.endpoint), parts.policy);
    this.sender = new Sender(load.endpoint, parts.http);
    this.wants = judgeOf(load.endpoint);
    this.bucket = bucketOf(load.endpoint.ratePerSecond);
    this.sources = sourcesOf(load, this.sourceParts());
    this.pump();
  }

  get id(): string {
    return this.endpoint.id;
  }

  /** Requests on the wire. */
  get sending(): number {
    return this.onWire;
  }

  /** Open deliveries and pending events, with the position, for metrics. */
  get lag(): { position: number; open: number; pending: number; since: number | undefined } {
    const { live, again, replay } = this.sources;
    const idle = [...live.lane.onWire, ...live.lane.idle.slice(0, 1)];
    const since = Math.min(...idle.map((delivery) => delivery.since), live.reader.oldestReceivedAt ?? Infinity);
    return {
      position: live.reader.position,
      open: live.lane.size + again.lane.size + (replay?.lane.size ?? 0),
      pending: live.reader.waiting,
      since: Number.isFinite(since) ? since : undefined,
    };
  }

  get replayReader(): LogReader | undefined {
    return this.sources.replay?.reader;
  }

  /** Whether nothing is under way or waiting for an attempt. */
  get quiet(): boolean {
    return this.onWire === 0 && this.lag.open === 0 && this.lag.pending === 0;
  }

  /** There may be something to do. */
  readonly wake = (): void => {
    if (this.pumping || this.stopped) return;
    this.pumping = true;
    setImmediate(() => {
      this.pumping = false;
      this.pump();
    });
  };

  /** Steps of its readers that cut deliveries, for the next transaction. */
  plan(): Move[] {
    if (this.frozen || this.stopped) return [];
    return this.readers().flatMap(({ reader, lane, ahead }) => reader.plan(lane.room(ahead.now)) ?? []);
  }

  /** Steps over what does not match. */
  planPasses(): Move[] {
    if (this.frozen || this.stopped) return [];
    return this.readers().flatMap(({ reader }) => reader.planPass() ?? []);
  }

  /** A step was made: its deliveries exist, and may be sent. */
  moved(move: Move): void {
    move.reader.moved(move);
    const source = this.readers().find(({ reader }) => reader === move.reader);
    // Without its reader it was reloaded meanwhile, and what was cut is read from the database.
    if (!source) return;
    const { deliveries } = move;
    if (deliveries.length === 0) return;
    const now = Date.now();
    const of: Cut = { id: deliveries[0]!.id, createdAt: now, left: deliveries.length };
    const open = deliveries.map(({ id, entries }) => ({
      id,
      attempt: 0,
      nextAt: now,
      since: entries[0]!.event.receivedAt,
      generation: move.reader.generation,
      cut: { seqs: entries.map(({ seq }) => seq), of },
      entries,
    }));
    supply(source, open, now - this.suppliedAt);
    this.suppliedAt = now;
    this.wake();
  }

  /** Sends nothing more, and cuts nothing, until {@link reload}: what it knows is not what the database says. */
  freeze(): void {
    this.frozen = true;
    clearTimeout(this.timer);
  }

  /** Takes over what has changed: settings, deliveries retried or cancelled by hand, a replay. */
  async reload(read: () => Promise<EndpointLoad | undefined>): Promise<boolean> {
    this.freeze();
    this.finished = new Set();
    try {
      await this.parts.cutter.settled();
      await this.parts.results.settled();
      const load = await read();
      if (load?.endpoint.state !== 'enabled' || this.stopped) return false;
      const before = this.sources;
      for (const { reader } of this.readers()) reader.close();
      this.endpoint = load.endpoint;
      this.sender = new Sender(load.endpoint, this.parts.http);
      this.wants = judgeOf(load.endpoint);
      this.bucket = bucketOf(load.endpoint.ratePerSecond);
      this.conduct.reset(placesOf(load.endpoint), load.health);
      this.sources = sourcesOf(load, this.sourceParts(), { sources: before, finished: this.finished });
      this.frozen = false;
      return true;
    } finally {
      this.finished = undefined;
      this.wake();
    }
  }

  /** Ends it; resolves when nothing of it is on the wire. What is still out after that is not judged any more. */
  async stop(waitMs: number): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    this.parts.gate.forget(this);
    for (const { reader } of this.readers()) reader.close();
    if (this.onWire === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise<void>((resolve) => (this.idle = resolve)),
      new Promise((resolve) => (timer = setTimeout(resolve, waitMs))),
    ]);
    clearTimeout(timer);
    this.abandoned = true;
  }

  private sourceParts(): SourceParts {
    const { tail, entries, ids } = this.parts;
    return {
      tail,
      entries,
      ids,
      wake: this.wake,
      expired: (oldest) => this.parts.expired(this, oldest),
      outdated: () => this.parts.outdated(this),
    };
  }

  private readers(): (Source & { reader: LogReader })[] {
    const { live, replay } = this.sources;
    return replay ? [live, replay] : [live];
  }

  private pump(): void {
    if (this.frozen || this.stopped) return;
    const now = Date.now();
    const resting = this.conduct.restUntil > now + SHED_MS;
    for (const { reader, lane, ahead } of this.readers()) {
      if (resting || (lane.stuck && (lane.nextAt ?? now) > now + SHED_MS)) reader.shed();
      else {
        if (reader.hungry) void this.fill(reader);
        if (reader.ready(now) && lane.room(ahead.now) > 0) this.parts.cutter.want(this);
      }
    }
    const waitMs = this.sendReady(now);
    this.schedule(now, waitMs);
  }

  /** Sends what may be sent; the result is the time in ms after which a limit allows more. */
  private sendReady(now: number): number | undefined {
    if (!this.parts.alive()) return LOAD_RETRY_MS;
    // What was sent must be written down before much more is: a database that is slow holds sending back.
    if (this.parts.results.size > UNWRITTEN_MAX) return UNWRITTEN_WAIT_MS;
    if (this.conduct.restUntil > now) return this.conduct.restUntil - now;
    let waitMs: number | undefined;
    for (const source of this.inTurn()) {
      while (this.onWire < this.conduct.open && source.lane.sending < source.open && source.lane.ready(now)) {
        const limit = limited([this.bucket, source.bucket], now);
        if (limit !== undefined) {
          waitMs = Math.min(waitMs ?? Infinity, limit);
          break;
        }
        if (!this.parts.gate.enter(this, this.wakeNow)) {
          this.bucket?.giveBack();
          source.bucket?.giveBack();
          return waitMs;
        }
        const delivery = source.lane.take(now)!;
        this.served = source.name;
        this.onWire += 1;
        void this.send(source, delivery);
      }
    }
    return waitMs;
  }

  /** The sources, the one that was served last at the end: an ordered endpoint has one place for all of them. */
  private inTurn(): Source[] {
    const { live, replay, again } = this.sources;
    const all: Source[] = replay ? [live, replay, again] : [live, again];
    return all.sort((a, b) => Number(a.name === this.served) - Number(b.name === this.served));
  }

  private readonly wakeNow = (): void => this.pump();

  private schedule(now: number, waitMs: number | undefined): void {
    clearTimeout(this.timer);
    const { live, replay, again } = this.sources;
    let at = waitMs === undefined ? Infinity : now + waitMs;
    for (const { lane, reader, ahead } of [live, again, ...(replay ? [replay] : [])] as Source[]) {
      if (lane.nextAt !== undefined && lane.nextAt > now) at = Math.min(at, lane.nextAt);
      const due = reader?.batchDueAt;
      if (due !== undefined && due > now && lane.room(ahead.now) > 0) at = Math.min(at, due);
    }
    // Longer waits are cut: a timer of more than 24 days would fire at once.
    if (Number.isFinite(at)) this.timer = setTimeout(this.wake, Math.min(at - now, 3_600_000));
  }

  private async fill(reader: LogReader): Promise<void> {
    if (this.filling.has(reader) || Date.now() < this.fillAt) return;
    this.filling.add(reader);
    try {
      await this.parts.read(() => reader.fill());
    } catch (error) {
      this.parts.logger.debug({ endpoint: this.id, reason: reasonOf(error) }, 'events cannot be read for a webhook; trying again');
      this.fillAt = Date.now() + LOAD_RETRY_MS;
      setTimeout(this.wake, LOAD_RETRY_MS).unref();
    } finally {
      this.filling.delete(reader);
    }
  }

  private async send(source: Source, delivery: OpenDelivery): Promise<void> {
    const sent = await this.attempt(source, delivery);
    this.onWire -= 1;
    if (!this.abandoned) {
      if (sent === 'unprepared') {
        delivery.nextAt = Date.now() + LOAD_RETRY_MS;
        source.lane.again(delivery);
      } else if (sent === 'unknown') {
        // A delivery of a log that is gone: if the database has it after all, it is read with everything else.
        source.lane.done(delivery);
        this.parts.outdated(this);
      } else if (sent === 'erased' || sent === 'cancelled') this.finish(source, delivery, { state: sent, nextAt: Date.now() });
      else await this.conclude(source, delivery, sent);
    }
    this.parts.gate.leave(this);
    if (this.onWire === 0) this.idle?.();
    // Its place is taken before other answers are looked at: they wait, and the receiver has work meanwhile.
    if (!this.frozen && !this.stopped) this.sendReady(Date.now());
    this.wake();
  }

  /**
   * `unprepared`: its events cannot be read now. `unknown`: the database knows nothing of it. `erased`: none of its events exists any
   * more. `cancelled`: the endpoint's filter leaves all of them out by now.
   */
  private async attempt(source: Source, delivery: OpenDelivery): Promise<Attempt | 'unprepared' | 'unknown' | 'erased' | 'cancelled'> {
    try {
      const kept = delivery.entries;
      delete delivery.entries;
      const { id, generation, cut } = delivery;
      const found =
        kept && Date.now() - delivery.nextAt < ENTRIES_FRESH_MS
          ? kept
          : await this.parts.load({ endpointId: this.id, id, generation, ...(cut ? { seqs: cut.seqs } : {}) });
      if (!found) return 'unknown';
      if (found.length === 0) return 'erased';
      // Whatever its numbers name: what the endpoint did not ask for is never sent to it.
      const entries = found.filter(({ event }) => this.wants(event));
      if (entries.length === 0) return 'cancelled';
      const replayId = source.reader?.replayId;
      return await this.sender.send({ id, entries, ...(replayId ? { replayId } : {}) });
    } catch (error) {
      this.parts.logger.warn(
        { endpoint: this.id, delivery: delivery.id, reason: reasonOf(error) },
        'a webhook delivery could not be prepared; trying again',
      );
      return 'unprepared';
    }
  }

  private async conclude(source: Source, delivery: OpenDelivery, { outcome, record, events }: Attempt): Promise<void> {
    const { policy } = this.parts;
    const now = Date.now();
    const step = nextStep(policy, delivery.attempt + 1, outcome);
    this.conduct.judge(outcome, this.endpoint.timeoutMs, now);
    const state = step.kind === 'retry' ? 'open' : step.kind;
    this.finish(source, delivery, { state, nextAt: step.kind === 'retry' ? now + step.afterMs : now, record });
    this.parts.observe(this, { outcome, state, events, lateMs: now - delivery.since });
    const failingMs = this.conduct.failingMs(now);
    if (outcome.category === 'gone') await this.parts.disable(this, 'gone', now);
    else if (failingMs >= policy.disableAfterMs) await this.parts.disable(this, 'failing', now - failingMs);
  }

  private finish(source: Source, delivery: OpenDelivery, { state, nextAt, record }: Pick<Result, 'state' | 'nextAt' | 'record'>): void {
    const { id, attempt, cut } = delivery;
    const first =
      attempt === 0 && cut ? { seqs: cut.seqs, replayId: source.reader?.replayId ?? null, createdAt: cut.of.createdAt } : undefined;
    delivery.attempt += 1;
    delivery.nextAt = nextAt;
    this.parts.results.add({ endpointId: this.id, id, attempt: attempt + 1, state, nextAt, record, first, delivery });
    this.finished?.add(delivery.id);
    const successor = this.sources[source.name];
    const current = successor?.reader?.id === source.reader?.id ? successor?.lane : undefined;
    if (state !== 'open') source.lane.done(delivery);
    else if (current === source.lane) source.lane.again(delivery);
    // The endpoint was made ordered or parallel while it was on the wire.
    else current?.add([delivery]);
  }
}

/** Requests an endpoint may have on the wire, whatever they are for. */
function placesOf({ ordered, maxInFlight }: Endpoint): number {
  return ordered ? 1 : maxInFlight;
}
