import type { Logger } from '@tributary/runtime';
import { type Attempt, Sender } from './attempt.js';
import type { Cutter } from './cutter.js';
import { type DeliveryIds, type DisabledReason, type Endpoint, filterOf } from './endpoint.js';
import type { Entry, EntryReader } from './entry.js';
import type { GroupCommit } from './group-commit.js';
import type { GuardedHttp } from './guard/guarded-http.js';
import type { FailureCategory, Outcome } from './guard/outcome.js';
import { type Cut, type Lane, type OpenDelivery, OrderedLane, ParallelLane } from './lanes.js';
import type { LogTail } from './log-tail.js';
import type { SendGate } from './pace.js';
import { TokenBucket, Window } from './pace.js';
import { LogReader, type Move } from './reader.js';
import { nextStep, restMs, type RetryPolicy } from './retry.js';
import type { EndpointLoad, Health, OpenRow, Result } from './runner-store.js';

/** What the runners of one process share. */
export interface RunnerParts {
  tail: LogTail;
  entries: EntryReader;
  ids: DeliveryIds;
  http: GuardedHttp;
  gate: SendGate;
  policy: RetryPolicy;
  results: GroupCommit<Result>;
  logger: Logger;
  /** Whether this process still holds its claims: nothing is sent when it may have lost them. */
  alive(): boolean;
  cutter: Cutter;
  /** Runs `work`, with few others at a time. */
  read(work: () => Promise<void>): Promise<void>;
  /** The events of an open delivery that still exist. */
  load(endpointId: string, id: string, seqs?: readonly number[]): Promise<Entry[]>;
  /** Disables the endpoint in the database; never throws. */
  disable(runner: EndpointRunner, reason: DisabledReason, since: number): Promise<void>;
  /** Retention has taken events that the endpoint had not got: those before the number `oldest`. */
  expired(runner: EndpointRunner, oldest: number): void;
  observe(runner: EndpointRunner, attempt: { outcome: Outcome; state: Result['state']; events: number; lateMs: number }): void;
}

type SourceName = 'live' | 'replay' | 'again';

interface Source {
  name: SourceName;
  lane: Lane;
  reader?: LogReader;
  /** Deliveries of it that may be on the wire, and open. */
  open: number;
  bucket?: TokenBucket;
}

interface Sources {
  live: Source & { reader: LogReader };
  replay?: Source & { reader: LogReader };
  again: Source;
}

/** First attempts go out with the events that were cut; later ones look again, because events can be erased. */
const ENTRIES_FRESH_MS = 5_000;
/** An endpoint that rests for longer than this holds no events meanwhile. */
const SHED_MS = 5_000;
const LOAD_RETRY_MS = 1_000;
const UNWRITTEN_MAX = 2_000;
const UNWRITTEN_WAIT_MS = 20;
/** Failures that take a place on the wire for long, or say that there is too much. */
const SLOWING: ReadonlySet<FailureCategory> = new Set(['timeout', 'connect', 'throttled', 'dns', 'tls', 'reset']);

/** Runs one endpoint while this process holds it: cuts its part of the log into deliveries and sends them. */
export class EndpointRunner {
  readonly startedAt = performance.now();
  readonly health: Health;
  healthChanged = false;
  endpoint: Endpoint;
  private sources: Sources;
  private sender: Sender;
  private window: Window;
  private bucket: TokenBucket | undefined;
  private onWire = 0;
  private throttles = 0;
  private restUntil = 0;
  private frozen = false;
  private stopped = false;
  /** Its process ends: what comes of requests under way is for the next runner to find out. */
  private abandoned = false;
  private readonly filling = new Set<LogReader>();
  private fillAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private pumping = false;
  /** Ids that left the wire while {@link reload} read the database: what it read of them is old. */
  private finished: Set<string> | undefined;
  private idle: (() => void) | undefined;

  constructor(
    load: EndpointLoad,
    private readonly parts: RunnerParts,
  ) {
    this.endpoint = load.endpoint;
    this.health = load.health;
    this.restUntil = load.health.throttledUntil ?? 0;
    this.sender = new Sender(load.endpoint, parts.http);
    this.window = new Window(load.endpoint.maxInFlight);
    this.bucket = bucketOf(load.endpoint.ratePerSecond);
    this.sources = this.sourcesOf(load);
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
    return this.readers().flatMap(({ reader, lane, open }) => reader.plan(lane.room(open)) ?? []);
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
    source.lane.add(
      deliveries.map(({ id, entries }) => ({
        id,
        attempt: 0,
        nextAt: now,
        since: entries[0]!.event.receivedAt,
        cut: { seqs: entries.map(({ seq }) => seq), of },
        entries,
      })),
    );
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
      if (!load || this.stopped) return false;
      const before = this.sources;
      for (const { reader } of this.readers()) reader.close();
      this.endpoint = load.endpoint;
      this.sender = new Sender(load.endpoint, this.parts.http);
      this.window = new Window(load.endpoint.maxInFlight);
      this.bucket = bucketOf(load.endpoint.ratePerSecond);
      if (!this.healthChanged) {
        // A resume by hand clears both.
        this.restUntil = load.health.throttledUntil ?? 0;
        this.health.failingSince = load.health.failingSince;
      }
      this.sources = this.sourcesOf(load, before);
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

  private readers(): (Source & { reader: LogReader })[] {
    const { live, replay } = this.sources;
    return replay ? [live, replay] : [live];
  }

  private sourcesOf({ endpoint, position, replay, open }: EndpointLoad, before?: Sources): Sources {
    const { tail, entries, ids } = this.parts;
    const expired = (oldest: number) => this.parts.expired(this, oldest);
    const common = { filter: filterOf(endpoint), batch: endpoint.batch, tail, entries, ids, wake: this.wake, expired };
    const lane = (old: Lane | undefined, rows: OpenRow[]): Lane => {
      const fits = old instanceof (endpoint.ordered ? OrderedLane : ParallelLane);
      const made = old && fits ? old : endpoint.ordered ? new OrderedLane() : new ParallelLane();
      const idle = old?.idle ?? [];
      const known = new Map(idle.map((delivery) => [delivery.id, delivery]));
      const wire = new Set((old?.onWire ?? []).map(({ id }) => id));
      // What left the wire while the rows were read is newer here than there.
      const fresh = idle.filter(({ id }) => this.finished?.has(id));
      const rest = rows.filter(({ id }) => !this.finished?.has(id) && !wire.has(id));
      made.replace([...fresh, ...rest.map((row) => merged(known.get(row.id), row))]);
      return made;
    };
    const of = (test: (row: OpenRow) => boolean) => open.filter(test);
    const share = Math.max(1, Math.floor(endpoint.maxInFlight / 2));
    return {
      live: {
        name: 'live',
        lane: lane(
          before?.live.lane,
          of(({ again, replayId }) => !again && replayId === null),
        ),
        reader: new LogReader({ ...common, id: endpoint.id, position }),
        open: endpoint.maxInFlight,
      },
      ...(replay
        ? {
            replay: {
              name: 'replay',
              lane: lane(
                before?.replay?.lane,
                of(({ again, replayId }) => !again && replayId === replay.id),
              ),
              reader: new LogReader({ ...common, id: replay.id, replayId: replay.id, position: replay.position, end: replay.to }),
              open: share,
              bucket: new TokenBucket(replay.ratePerSecond),
            },
          }
        : {}),
      again: {
        name: 'again',
        lane: lane(
          before?.again.lane,
          of(({ again }) => again),
        ),
        open: share,
      },
    };
  }

  private pump(): void {
    if (this.frozen || this.stopped) return;
    const now = Date.now();
    const resting = this.restUntil > now + SHED_MS;
    for (const { reader, lane, open } of this.readers()) {
      if (resting || (lane.stuck && (lane.nextAt ?? now) > now + SHED_MS)) reader.shed();
      else {
        if (reader.hungry) void this.fill(reader);
        if (reader.ready(now) && lane.room(open) > 0) this.parts.cutter.want(this);
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
    if (this.restUntil > now) return this.restUntil - now;
    let waitMs: number | undefined;
    const { live, replay, again } = this.sources;
    for (const source of [live, again, ...(replay ? [replay] : [])]) {
      while (this.onWire < this.window.open && source.lane.sending < source.open && source.lane.ready(now)) {
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
        this.onWire += 1;
        void this.send(source, delivery);
      }
    }
    return waitMs;
  }

  private readonly wakeNow = (): void => this.pump();

  private schedule(now: number, waitMs: number | undefined): void {
    clearTimeout(this.timer);
    const { live, replay, again } = this.sources;
    let at = waitMs === undefined ? Infinity : now + waitMs;
    for (const { lane, reader, open } of [live, again, ...(replay ? [replay] : [])] as Source[]) {
      if (lane.nextAt !== undefined && lane.nextAt > now) at = Math.min(at, lane.nextAt);
      const due = reader?.batchDueAt;
      if (due !== undefined && due > now && lane.room(open) > 0) at = Math.min(at, due);
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
      } else if (sent === 'erased') this.finish(source, delivery, { state: 'erased', nextAt: Date.now() });
      else await this.conclude(source, delivery, sent);
    }
    this.parts.gate.leave(this);
    if (this.onWire === 0) this.idle?.();
    this.wake();
  }

  /** `unprepared`: its events cannot be read now. `erased`: none of them exists any more. */
  private async attempt(source: Source, delivery: OpenDelivery): Promise<Attempt | 'unprepared' | 'erased'> {
    try {
      const kept = delivery.entries;
      delete delivery.entries;
      const entries =
        kept && Date.now() - delivery.nextAt < ENTRIES_FRESH_MS ? kept : await this.parts.load(this.id, delivery.id, delivery.cut?.seqs);
      if (entries.length === 0) return 'erased';
      const replayId = source.reader?.replayId;
      return await this.sender.send({ id: delivery.id, entries, ...(replayId ? { replayId } : {}) });
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
    this.judge(outcome, now);
    const state = step.kind === 'retry' ? 'open' : step.kind;
    this.finish(source, delivery, { state, nextAt: step.kind === 'retry' ? now + step.afterMs : now, record });
    this.parts.observe(this, { outcome, state, events, lateMs: now - delivery.since });
    const failingMs = now - (this.health.failingSince ?? now);
    if (outcome.category === 'gone') await this.parts.disable(this, 'gone', now);
    else if (failingMs >= policy.disableAfterMs) await this.parts.disable(this, 'failing', this.health.failingSince!);
  }

  private finish(source: Source, delivery: OpenDelivery, { state, nextAt, record }: Pick<Result, 'state' | 'nextAt' | 'record'>): void {
    const { id, attempt, cut } = delivery;
    const first =
      attempt === 0 && cut ? { seqs: cut.seqs, replayId: source.reader?.replayId ?? null, createdAt: cut.of.createdAt } : undefined;
    delivery.attempt += 1;
    delivery.nextAt = nextAt;
    this.parts.results.add({ endpointId: this.id, id, attempt: attempt + 1, state, nextAt, record, first, delivery });
    this.finished?.add(delivery.id);
    const current = this.sources[source.name]?.lane;
    if (state !== 'open') source.lane.done(delivery);
    else if (current === source.lane) source.lane.again(delivery);
    // The endpoint was made ordered or parallel while it was on the wire.
    else current?.add([delivery]);
  }

  private judge(outcome: Outcome, now: number): void {
    const { health } = this;
    this.healthChanged = true;
    // An answer that took the whole time costs the place of many quick ones, whatever it says.
    const slow = outcome.latencyMs >= 0.9 * this.endpoint.timeoutMs;
    if (slow || SLOWING.has(outcome.category ?? 'status')) this.window.failed();
    else if (outcome.category === undefined) this.window.succeeded();
    if (outcome.category === undefined) {
      this.throttles = 0;
      health.succeededAt = now;
      delete health.failingSince;
      delete health.throttledUntil;
      return;
    }
    health.failedAt = now;
    health.failingSince ??= now;
    // Several answers of one moment count once.
    if (now >= this.restUntil) this.throttles += 1;
    const rest = restMs(this.parts.policy, outcome, this.throttles);
    if (rest === undefined) {
      this.throttles = 0;
      return;
    }
    this.restUntil = Math.max(this.restUntil, now + rest);
    health.throttledUntil = this.restUntil;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function bucketOf(perSecond: number | undefined): TokenBucket | undefined {
  return perSecond === undefined ? undefined : new TokenBucket(perSecond);
}

/** Takes a token of each bucket; when one has none, takes none and says how long that lasts. */
function limited(buckets: readonly (TokenBucket | undefined)[], now: number): number | undefined {
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

/** A delivery known already keeps what memory has of it; only a new time, given by hand, is taken over. */
function merged(known: OpenDelivery | undefined, row: OpenRow): OpenDelivery {
  if (!known || known.attempt !== row.attempt) {
    return { id: row.id, attempt: row.attempt, nextAt: row.nextAt, since: row.since, ...(row.cut ? { cut: row.cut } : {}) };
  }
  known.nextAt = row.nextAt;
  return known;
}
