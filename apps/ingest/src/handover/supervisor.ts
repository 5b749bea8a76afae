import {
  type CreatorRecord,
  type CreatorState,
  type Lease,
  type LeaseManager,
  movesNow,
  type HandoverOffers,
  type Share,
  type WorkerRegistry,
  type WorkerCounters,
} from '@tributary/creators';
import type { InboxProducer } from '@tributary/log';
import type { Redis } from 'ioredis';
import { reasonOf } from '@tributary/runtime';
import { within } from '../pacing/clock.js';
import { CreatorSession } from '../session/creator-session.js';
import { Fleet } from './worker-membership.js';
import { Forgetter, type ForgetterOptions } from './removed-creators.js';
import { HandOvers, type HandOverStats } from './handover-sender.js';
import type { Standby } from './standby-connection.js';
import { publishStatuses } from '../status/status-publisher.js';
import { Standbys, type StandbyStats } from './handover-receiver.js';
import type { SessionServices, StopReason } from '../session/session-services.js';

export interface SupervisorOptions extends ForgetterOptions {
  worker: string;
  /** The name that it holds leases under. */
  run: string;
  /** Creators held at most. */
  capacity: number;
  leaseTtlMs: number;
  leases: LeaseManager;
  workers: WorkerRegistry;
  offers: HandoverOffers;
  /** A client that does nothing else: hears of offers at once. Without it they are found by the second. */
  wake?: Redis;
  producer: Pick<InboxProducer, 'drain' | 'stats'>;
  services: SessionServices;
}

const TICK_MS = 1_000;
/** Creators named in one tick's claims: bounds the scripts; the next tick begins elsewhere. */
const CANDIDATES_MAX = 5_000;
/** Leases taken in one tick. */
const CLAIMS_MAX = 500;
/** What a round under way may still take when the worker stops. */
const ROUND_MS_MAX = 500;
/** Offers taken at a time, and the rest between: other workers take theirs meanwhile. */
const TAKES_MAX = 64;
const TAKES_REST_MS = 30;
/** All of a stop's hand-overs; each has a bound of its own, but Redis may hang. */
const HAND_OVERS_MS_MAX = 5_500;
/** After a wipe what the store knows of the creators is waited for this long before others' are taken without it. */
const UNKNOWN_MS_MAX = 15_000;
/** What a leaving creator's last events may take to reach Redis. */
const DRAIN_MS = 2_000;

/** Leases held are sessions running: takes creators up to its share, runs one session for each, and gives back what is too many. */
export class Supervisor {
  private readonly sessions = new Map<string, CreatorSession>();
  /** Sessions that end in an orderly way; their leases are held until their last events are in Redis. */
  private readonly leaving = new Map<string, CreatorSession>();
  private readonly lettingGo = new Set<Promise<void>>();
  private readonly fleet: Fleet;
  private readonly handOvers: HandOvers;
  private readonly standbys: Standbys;
  private creators: ReadonlyMap<string, CreatorRecord> | undefined;
  private version: string | undefined;
  private readonly startedAt: number;
  private readonly stopping = new AbortController();
  private watch: NodeJS.Timeout | undefined;
  private loop: Promise<void> | undefined;
  private movedAt = 0;
  /** Since when there is no projection. */
  private unknownSince: number | undefined;
  private readonly forgetter: Forgetter;
  private unlisten: (() => void) | undefined;
  private isTaking = false;
  private areOffersDue = false;
  private isAway = false;
  private isShort = false;

  constructor(private readonly options: SupervisorOptions) {
    const { services, offers, leases, logger, run, leaseTtlMs, statuses } = options;
    this.startedAt = services.clock.now();
    this.forgetter = new Forgetter(options, this.startedAt);
    this.fleet = new Fleet(options);
    this.handOvers = new HandOvers({
      offers,
      leases,
      clock: services.clock,
      logger,
      onLeaving: (ids) => void this.depart(ids),
      onStranded: (ids) => this.release(ids),
      onGone: (ids) => ids.forEach((id) => this.leaving.delete(id)),
      onStaying: (ids, reason) => void (reason === 'shutdown' && this.letGo(ids, reason)),
      publish: (last) => this.attempt('publish last statuses', () => statuses.publish(last)),
    });
    this.standbys = new Standbys({
      services,
      offers,
      leases,
      run,
      leaseTtlMs,
      record: (id) => this.activeRecord(id),
      onLease: (lease, standby) => this.adopt(lease, standby),
    });
  }

  /** Starts taking creators. Nothing of it needs Redis to be there. */
  start(): void {
    this.options.leases.start();
    this.watch = setInterval(() => this.tick(), TICK_MS);
    this.loop = this.run(this.stopping.signal);
    if (this.options.wake) this.unlisten = this.options.offers.listen(this.options.wake, (what) => this.onWake(what));
  }

  /**
   * Stops taking, hands what is live over to workers that have room, ends what is left, waits until what was said is in
   * Redis, and gives the leases back. About 9 s at most; as long as it takes to drain where there is nobody to hand over to.
   */
  async stop(): Promise<void> {
    this.stopping.abort();
    await within(ROUND_MS_MAX, this.loop);
    // Off the board first: the others count their share without this worker.
    await within(
      ROUND_MS_MAX,
      this.attempt('leave the board', () => this.fleet.leave()),
    );
    await within(ROUND_MS_MAX, this.standbys.stop());
    const quiet = [...this.sessions.keys()].filter((id) => this.sessions.get(id)?.openRoom === undefined);
    await Promise.all([this.letGo(quiet, 'shutdown'), this.attempt('offer creators', () => this.handEverythingOver())]);
    await this.letGo([...this.sessions.keys()], 'shutdown');
    await Promise.all(this.lettingGo);
    this.unlisten?.();
    clearInterval(this.watch);
    await this.options.leases.stop();
  }

  /** The lease of a running session belongs to somebody else. */
  lost(lease: Lease): void {
    const session = this.sessions.get(lease.creatorId) ?? this.leaving.get(lease.creatorId);
    if (session?.lease.fence !== lease.fence) return;
    this.sessions.delete(lease.creatorId);
    void session.stop('lost');
  }

  /** Spooled events of some creators were lost: those that are live may miss some. */
  lostOnDisk(isConcerned: (creatorId: string) => boolean, from: number, to: number): void {
    for (const [id, session] of this.sessions) if (isConcerned(id)) session.lostOnDisk(from, to);
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

  /** Hand-overs of this worker: given since the start, and taken. */
  handOverStats(): { given: HandOverStats; taken: StandbyStats } {
    return { given: this.handOvers.stats(), taken: this.standbys.stats() };
  }

  private onWake(what: 'offer' | 'state'): void {
    if (what === 'offer') void this.attempt('take offers', () => this.takeOffers());
    this.handOvers.wake();
    this.standbys.wake();
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
      (await this.attempt('publish statuses', () => this.publish())) &&
      (await this.attempt('forget removed creators', () => this.forget()));
    if (done && this.isAway) this.options.logger.info({}, 'the supervisor reaches Redis again');
    this.isAway = !done;
  }

  private async attempt(what: string, step: () => Promise<unknown>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      const reason = reasonOf(error);
      if (!this.isAway)
        this.options.logger.warn({ what, reason, held: this.sessions.size }, 'the supervisor cannot reach Redis; sessions go on');
      this.isAway = true;
      return false;
    }
  }

  /** Follows the projection. Where it is missing, what was last known goes on. */
  private async readCreators(): Promise<void> {
    const version = await this.options.projection.version();
    this.unknownSince = version === null ? (this.unknownSince ?? this.options.services.clock.now()) : undefined;
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
    const { leases, leaseTtlMs, services } = this.options;
    if (this.stopping.signal.aborted) return;
    await this.fleet.beat({ creators: this.sessions.size, counters: this.counters(), startedAt: this.startedAt });
    if (!this.creators || this.stopping.signal.aborted) return;
    await this.takeOffers();
    const active = this.active();
    const share = await this.fleet.share(active.length);
    await this.claim(active, share);
    const now = services.clock.now();
    if (now - this.movedAt < leaseTtlMs) return;
    this.movedAt = now;
    this.giveAway(share, leases.size);
  }

  private async claim(active: CreatorRecord[], share: Share): Promise<void> {
    const { leases, services } = this.options;
    const max = Math.min(CLAIMS_MAX, share.claimUpTo - leases.size - this.standbys.size);
    if (max <= 0 || active.length === 0) return;
    if (this.unknownSince !== undefined && services.clock.now() - this.unknownSince < UNKNOWN_MS_MAX) return;
    // Workers begin at different creators, so that they do not race for the same ones.
    const from = Math.floor(Math.random() * active.length);
    const free = [...active.slice(from), ...active.slice(0, from)].filter(
      ({ id }) => leases.get(id) === undefined && !this.leaving.has(id) && !this.standbys.has(id),
    );
    const records = new Map(free.slice(0, CANDIDATES_MAX).map((record) => [record.id, record]));
    const taken = await leases.claim(records.keys(), max);
    if (this.stopping.signal.aborted) {
      await leases.release(taken.map(({ creatorId }) => creatorId));
      return;
    }
    for (const lease of taken) {
      const record = records.get(lease.creatorId);
      // One that was lost while the claim was still under way has nobody to tell any more.
      if (!record || leases.get(lease.creatorId)?.fence !== lease.fence) continue;
      this.begin(new CreatorSession({ services, record, lease }));
    }
    if (taken.length > 0) {
      const expired = taken.filter((lease) => lease.from === 'expired').length;
      this.options.logger.info({ taken: taken.length, expired, held: leases.size, share: share.claimUpTo }, 'creators taken');
    }
  }

  private begin(session: CreatorSession): void {
    this.sessions.set(session.lease.creatorId, session);
    session.start();
  }

  /** The lease of a creator whose room is received already. */
  private adopt(lease: Lease, standby: Standby): void {
    const { services, leases } = this.options;
    const record = this.activeRecord(lease.creatorId);
    if (record && !this.stopping.signal.aborted) return this.begin(new CreatorSession({ services, record, lease, standby }));
    standby.discard();
    void leases.release([lease.creatorId]);
  }

  /** Joins rooms that others want to hand over, up to this worker's share. */
  private async takeOffers(): Promise<void> {
    this.areOffersDue = true;
    if (this.isTaking) return;
    this.isTaking = true;
    try {
      for (let taken = TAKES_MAX; (this.areOffersDue || taken === TAKES_MAX) && this.creators && !this.stopping.signal.aborted;) {
        this.areOffersDue = false;
        const room = (await this.fleet.share(this.active().length)).claimUpTo - this.options.leases.size - this.standbys.size;
        taken = await this.standbys.take(Math.min(TAKES_MAX, room));
        if (taken === TAKES_MAX) await this.options.services.clock.sleep(TAKES_REST_MS, this.stopping.signal);
      }
    } finally {
      this.isTaking = false;
    }
  }

  /** More than its share: gives a bounded few away, those first that nothing is received from; the others are handed over. */
  private giveAway(share: Share, held: number): void {
    const quiet: string[] = [];
    const live: CreatorSession[] = [];
    let others = 0;
    for (const [id, session] of this.sessions) {
      if (this.handOvers.has(id)) continue;
      if (session.isQuiet) quiet.push(id);
      else if (session.openRoom !== undefined) live.push(session);
      else others += 1;
    }
    const moves = movesNow({ quiet: quiet.length, live: live.length + others }, share);
    if (moves.quiet + moves.live === 0) return;
    this.options.logger.info({ moves, held, share: share.claimUpTo }, 'giving creators away to other workers');
    if (moves.quiet > 0) void this.letGo(quiet.slice(0, moves.quiet), 'moved');
    if (moves.live > 0) void this.attempt('offer creators', () => this.handOvers.offer(live.slice(0, moves.live), 'moved'));
  }

  /** Offers everything that is live, where somebody is there to take it, and waits for what becomes of it. */
  private async handEverythingOver(): Promise<void> {
    if (this.sessions.size === 0 || !(await this.fleet.hasRoom())) return;
    await this.handOvers.offer([...this.sessions.values()], 'shutdown');
    await within(HAND_OVERS_MS_MAX, this.handOvers.settled());
  }

  private letGo(ids: string[], reason: Exclude<StopReason, 'lost'>): Promise<void> {
    const going = this.end(ids, reason).finally(() => this.lettingGo.delete(going));
    this.lettingGo.add(going);
    return going;
  }

  /** These sessions end now; their leases stay until their last words are in Redis. */
  private depart(ids: readonly string[]): Map<string, CreatorSession> {
    const leaving = new Map<string, CreatorSession>();
    for (const id of ids) {
      const session = this.sessions.get(id);
      if (!session) continue;
      this.sessions.delete(id);
      this.leaving.set(id, session);
      leaving.set(id, session);
    }
    return leaving;
  }

  private async release(ids: Iterable<string>): Promise<void> {
    const released = [...ids];
    await this.options.leases.release(released);
    for (const id of released) this.leaving.delete(id);
  }

  private async end(ids: string[], reason: Exclude<StopReason, 'lost'>): Promise<void> {
    const { producer, statuses } = this.options;
    const leaving = this.depart(ids);
    if (leaving.size === 0) return;
    await Promise.all([this.handOvers.withdraw(leaving.keys()), ...[...leaving.values()].map((session) => session.stop(reason))]);
    if (!(await producer.drain(AbortSignal.timeout(DRAIN_MS)))) {
      this.options.logger.warn({ reason, creators: leaving.size }, 'the last events of leaving creators are not all in Redis yet');
    }
    // While the leases are still held: afterwards it would overwrite what the next holder says.
    const last = new Map([...leaving].map(([id, session]) => [id, session.finalStatus(reason)]));
    await this.attempt('publish last statuses', () => (reason === 'removed' ? statuses.remove([...last.keys()]) : statuses.publish(last)));
    await this.release(leaving.keys());
  }

  private async publish(): Promise<void> {
    const { services, statuses } = this.options;
    services.signs.queue.count();
    await publishStatuses(statuses, this.sessions, services.clock.now());
  }

  private async forget(): Promise<void> {
    const { creators } = this;
    if (creators) await this.forgetter.round((id) => creators.has(id), this.options.services.clock.now());
  }

  private active(): CreatorRecord[] {
    return [...(this.creators?.values() ?? [])].filter(({ paused }) => !paused);
  }

  /** The handle of a creator: '' where it is not monitored, undefined while it is not known who is. */
  handleOf(creatorId: string): string | undefined {
    return this.creators && (this.creators.get(creatorId)?.uniqueId ?? '');
  }

  private activeRecord(creatorId: string): CreatorRecord | undefined {
    const record = this.creators?.get(creatorId);
    return record?.paused ? undefined : record;
  }
}
