import {
  type CreatorProjection,
  type CreatorRecord,
  type CreatorState,
  type CreatorStatus,
  fairShare,
  type Lease,
  type LeaseManager,
  movesNow,
  type Share,
  type StatusBoard,
  type WorkerBoard,
  type WorkerCounters,
} from '@tributary/creators';
import type { InboxProducer } from '@tributary/log';
import { systemClock } from './clock.js';
import { CreatorSession } from './creator-session.js';
import type { SessionLogger, SessionServices, StopReason } from './session-services.js';

export interface SupervisorOptions {
  worker: string;
  /** Creators held at most. */
  capacity: number;
  leaseTtlMs: number;
  leases: LeaseManager;
  projection: CreatorProjection;
  statuses: StatusBoard;
  workers: WorkerBoard;
  producer: Pick<InboxProducer, 'drain' | 'stats'>;
  services: SessionServices;
  logger: SessionLogger;
}

const TICK_MS = 1_000;
/** Creators named in one tick's claims: bounds the scripts; the next tick begins elsewhere. */
const CANDIDATES_MAX = 5_000;
/** Leases taken in one tick. */
const CLAIMS_MAX = 500;
const STATUSES_PER_COMMAND = 1_000;
/** What a round under way may still take when the worker stops. */
const ROUND_MS_MAX = 500;
const NEVER = new AbortController().signal;
/** What a leaving creator's last events may take to reach Redis. */
const DRAIN_MS = 2_000;

/** Leases held are sessions running: takes creators up to its share, runs one session for each, and gives back what is too many. */
export class Supervisor {
  private readonly sessions = new Map<string, CreatorSession>();
  /** Sessions that end in an orderly way; their leases are held until their last events are in Redis. */
  private readonly leaving = new Map<string, CreatorSession>();
  private creators: ReadonlyMap<string, CreatorRecord> | undefined;
  private version: string | undefined;
  private readonly startedAt: number;
  private readonly stopping = new AbortController();
  private watch: NodeJS.Timeout | undefined;
  private loop: Promise<void> | undefined;
  private movedAt = 0;
  private isAway = false;
  private isShort = false;

  constructor(private readonly options: SupervisorOptions) {
    this.startedAt = options.services.clock.now();
  }

  /** Starts taking creators. Nothing of it needs Redis to be there. */
  start(): void {
    this.options.leases.start();
    this.watch = setInterval(() => this.tick(), TICK_MS);
    this.loop = this.run(this.stopping.signal);
  }

  /**
   * Stops taking, ends every session, waits until what they said is in Redis, and gives the leases back, so that others
   * go on at once. About 3 s at most.
   */
  async stop(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.watch);
    await Promise.race([this.loop, systemClock.sleep(ROUND_MS_MAX, NEVER)]);
    // Off the board first: the others count their share without this worker.
    await this.attempt('leave the board', () => this.options.workers.leave(this.options.worker));
    await this.letGo([...this.sessions.keys()], 'shutdown');
    await this.options.leases.stop();
  }

  /** The lease of a running session belongs to somebody else. */
  lost(lease: Lease): void {
    const session = this.sessions.get(lease.creatorId) ?? this.leaving.get(lease.creatorId);
    if (session?.lease.fence !== lease.fence) return;
    this.sessions.delete(lease.creatorId);
    void session.stop('lost');
  }

  /** A lease came back after a wipe. */
  restored(lease: Lease): void {
    this.sessions.get(lease.creatorId)?.restored();
  }

  /** Sessions by state, for metrics. */
  states(): Map<CreatorState, number> {
    const counts = new Map<CreatorState, number>();
    for (const { state } of this.sessions.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return counts;
  }

  /** Where this worker's events are. */
  counters(): WorkerCounters {
    const { received, decoded } = this.options.services.totals;
    const { appended, confirmed } = this.options.producer.stats();
    return { received, decoded, appended, confirmed };
  }

  private tick(): void {
    const now = this.options.services.clock.now();
    for (const session of this.sessions.values()) session.tick(now);
  }

  private async run(signal: AbortSignal): Promise<void> {
    do {
      await this.sync();
    } while (await this.options.services.clock.sleep(TICK_MS, signal));
  }

  /** One round of everything that needs Redis. A step that fails is tried again in the next round. */
  private async sync(): Promise<void> {
    const done =
      (await this.attempt('read the creators', () => this.readCreators())) &&
      (await this.attempt('take creators', () => this.takeCreators())) &&
      (await this.attempt('publish statuses', () => this.publish()));
    if (done && this.isAway) this.options.logger.info({}, 'the supervisor reaches Redis again');
    this.isAway = !done;
  }

  private async attempt(what: string, step: () => Promise<unknown>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!this.isAway)
        this.options.logger.warn({ what, reason, held: this.sessions.size }, 'the supervisor cannot reach Redis; sessions go on');
      this.isAway = true;
      return false;
    }
  }

  /** Follows the projection. Where it is missing, what was last known goes on. */
  private async readCreators(): Promise<void> {
    const version = await this.options.projection.version();
    if (version === null || version === this.version) return;
    const read = await this.options.projection.read();
    if (!read) return;
    this.version = read.version;
    this.creators = new Map(read.creators.map((record) => [record.id, record]));
    const removed: string[] = [];
    const paused: string[] = [];
    for (const [id, session] of this.sessions) {
      const record = this.creators.get(id);
      if (!record) removed.push(id);
      else if (record.paused) paused.push(id);
      else session.update(record);
    }
    if (removed.length > 0) void this.letGo(removed, 'removed');
    if (paused.length > 0) void this.letGo(paused, 'paused');
  }

  private async takeCreators(): Promise<void> {
    const { workers, worker, capacity, leases, leaseTtlMs, services } = this.options;
    const record = { worker, capacity, creators: this.sessions.size, counters: this.counters(), startedAt: this.startedAt };
    await workers.heartbeat(record);
    if (!this.creators || this.stopping.signal.aborted) return;
    const others = (await workers.list()).filter((other) => other.worker !== worker && other.beatAgeMs <= leaseTtlMs / 2);
    const active = [...this.creators.values()].filter(({ paused }) => !paused);
    const share = fairShare(
      active.length,
      capacity,
      others.map((other) => other.capacity),
    );
    this.complainWhenShort(
      active.length,
      others.reduce((sum, other) => sum + other.capacity, capacity),
    );
    await this.claim(active, share);
    const now = services.clock.now();
    if (now - this.movedAt < leaseTtlMs) return;
    this.movedAt = now;
    this.giveAway(share, leases.size);
  }

  private async claim(active: CreatorRecord[], share: Share): Promise<void> {
    const { leases, services } = this.options;
    const max = Math.min(CLAIMS_MAX, share.claimUpTo - leases.size);
    if (max <= 0 || active.length === 0) return;
    // Workers begin at different creators, so that they do not race for the same ones.
    const from = Math.floor(Math.random() * active.length);
    const free = [...active.slice(from), ...active.slice(0, from)].filter(
      ({ id }) => leases.get(id) === undefined && !this.leaving.has(id),
    );
    const records = new Map(free.slice(0, CANDIDATES_MAX).map((record) => [record.id, record]));
    const taken = await leases.claim(records.keys(), max);
    if (this.stopping.signal.aborted) {
      await leases.release(taken.map(({ creatorId }) => creatorId));
      return;
    }
    for (const lease of taken) {
      const record = records.get(lease.creatorId);
      if (!record) continue;
      const session = new CreatorSession({ services, record, lease });
      this.sessions.set(record.id, session);
      session.start();
    }
    if (taken.length > 0) {
      const expired = taken.filter((lease) => lease.from === 'expired').length;
      this.options.logger.info({ taken: taken.length, expired, held: leases.size, share: share.claimUpTo }, 'creators taken');
    }
  }

  /** More than its share: gives a bounded few away, those first that nothing is received from. */
  private giveAway(share: Share, held: number): void {
    const quiet: string[] = [];
    const live: string[] = [];
    for (const [id, session] of this.sessions) (session.isQuiet ? quiet : live).push(id);
    const moves = movesNow({ quiet: quiet.length, live: live.length }, share);
    const ids = [...quiet.slice(0, moves.quiet), ...live.slice(0, moves.live)];
    if (ids.length === 0) return;
    this.options.logger.info({ moves, held, share: share.claimUpTo }, 'giving creators away to other workers');
    void this.letGo(ids, 'moved');
  }

  private async letGo(ids: string[], reason: Exclude<StopReason, 'lost'>): Promise<void> {
    const { leases, producer, statuses } = this.options;
    const leaving = new Map<string, CreatorSession>();
    for (const id of ids) {
      const session = this.sessions.get(id);
      if (!session) continue;
      this.sessions.delete(id);
      this.leaving.set(id, session);
      leaving.set(id, session);
    }
    if (leaving.size === 0) return;
    await Promise.all([...leaving.values()].map((session) => session.stop(reason)));
    if (!(await producer.drain(AbortSignal.timeout(DRAIN_MS)))) {
      this.options.logger.warn({ reason, creators: leaving.size }, 'the last events of leaving creators are not all in Redis yet');
    }
    // While the leases are still held: afterwards it would overwrite what the next holder says.
    const last = new Map([...leaving].map(([id, session]) => [id, session.finalStatus(reason)]));
    await this.attempt('publish last statuses', () => (reason === 'removed' ? statuses.remove([...last.keys()]) : statuses.publish(last)));
    await leases.release(leaving.keys());
    for (const id of leaving.keys()) this.leaving.delete(id);
  }

  private async publish(): Promise<void> {
    const { services, statuses } = this.options;
    const now = services.clock.now();
    services.signs.queue.count();
    let batch = new Map<string, CreatorStatus>();
    const send = async () => {
      const ids = [...batch.keys()];
      try {
        await statuses.publish(batch);
      } catch (error) {
        for (const id of ids) this.sessions.get(id)?.publishAgain();
        throw error;
      }
      batch = new Map();
    };
    for (const [id, session] of this.sessions) {
      const status = session.takeStatus(now);
      if (!status) continue;
      batch.set(id, status);
      if (batch.size >= STATUSES_PER_COMMAND) await send();
    }
    await send();
  }

  private complainWhenShort(creators: number, capacity: number): void {
    const isShort = creators > capacity;
    if (isShort && !this.isShort)
      this.options.logger.warn({ creators, capacity }, 'more creators than all workers may hold; some are not monitored');
    this.isShort = isShort;
  }
}
