import {
  type CreatorProjection,
  type HandoverOffers,
  type LeaseManager,
  type StatusStore,
  type WorkerCounters,
  type WorkerRegistry,
} from '@tributary/creators';
import type { InboxProducer } from '@tributary/log';
import { type Logger, reasonOf } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import { type Clock, within } from '../pacing/clock.js';
import type { CreatorSession, CreatorSessionOptions } from '../session/creator-session.js';
import { publishStatuses } from '../status/status-publisher.js';
import { HandoverReceiver, type ReceiverStats } from './handover-receiver.js';
import { HandoverSender, type SenderStats } from './handover-sender.js';
import { HeldCreators } from './held-creators.js';
import { LoadBalancer } from './load-balancer.js';
import { MonitoredCreators } from './monitored-creators.js';
import { RemovedCreators } from './removed-creators.js';
import type { StandbyServices } from './standby-connection.js';
import { WorkerMembership } from './worker-membership.js';

export interface SupervisorOptions {
  worker: string;
  /** The name under which it holds leases. */
  run: string;
  /** Creators held at most. */
  capacity: number;
  leaseTtlMs: number;
  leases: LeaseManager;
  projection: CreatorProjection;
  statuses: StatusStore;
  workers: WorkerRegistry;
  offers: HandoverOffers;
  /** A client for subscriptions alone: offers are noticed at once. Without it they are found within a second. */
  subscriber?: Redis;
  producer: Pick<InboxProducer, 'drain'>;
  clock: Clock;
  logger: Logger;
  /** What standby connections are made with. */
  standbys: StandbyServices;
  newSession: (options: CreatorSessionOptions) => CreatorSession;
  /** Where this worker's events are. */
  counters: () => WorkerCounters;
  /** Deletes what Redis keeps beside the leases of creators that are not monitored; returns their ids. */
  purge(isMonitored: (creatorId: string) => boolean): Promise<string[]>;
}

const TICK_MS = 1_000;
/** What a round under way may still take when the worker stops. */
const ROUND_MS_MAX = 500;
/** All handovers of a stop. Each has a bound of its own, but Redis may hang. */
const HANDOVERS_MS_MAX = 5_500;

/** Keeps one session running for each lease: claims creators up to this worker's share, and hands over what is too many. */
export class Supervisor {
  private readonly held: HeldCreators;
  private readonly creators: MonitoredCreators;
  private readonly membership: WorkerMembership;
  private readonly sender: HandoverSender;
  private readonly receiver: HandoverReceiver;
  private readonly balancer: LoadBalancer;
  private readonly removed: RemovedCreators;
  private readonly startedAt: number;
  private readonly stopping = new AbortController();
  private ticker: NodeJS.Timeout | undefined;
  private loop: Promise<void> | undefined;
  private rebalancedAt = 0;
  private unsubscribe: (() => void) | undefined;
  private isUnreachable = false;

  constructor(private readonly options: SupervisorOptions) {
    const { offers, leases, logger, clock, statuses, standbys, run, leaseTtlMs } = options;
    const attempt = (what: string, step: () => Promise<unknown>) => this.attempt(what, step);
    this.startedAt = clock.now();
    this.creators = new MonitoredCreators(options);
    this.removed = new RemovedCreators(options, this.startedAt);
    this.membership = new WorkerMembership(options);
    this.held = new HeldCreators({ ...options, attempt, withdraw: (ids) => this.sender.withdraw(ids) });
    this.sender = new HandoverSender({
      offers,
      leases,
      clock,
      logger,
      onEnding: (ids) => void this.held.markEnding(ids),
      onNotTransferred: (ids) => this.held.release(ids),
      onTransferred: (ids) => this.held.transferred(ids),
      onKept: (ids, reason) => void (reason === 'shutdown' && this.held.end(ids, reason)),
      publish: (last) => attempt('publish last statuses', () => statuses.publish(last)),
    });
    this.receiver = new HandoverReceiver({
      services: standbys,
      offers,
      leases,
      logger,
      run,
      leaseTtlMs,
      record: (id) => this.creators.active(id),
      onLease: (lease, standby) => this.balancer.adopt(lease, standby, this.stopping.signal),
    });
    const { creators, held, sender, receiver, membership } = this;
    this.balancer = new LoadBalancer({ ...options, creators, held, sender, receiver, membership });
  }

  /** Starts to claim creators. Redis need not answer yet. */
  start(): void {
    const { leases, offers, subscriber, clock } = this.options;
    leases.start();
    this.ticker = setInterval(() => this.held.tick(clock.now()), TICK_MS);
    this.loop = this.run(this.stopping.signal);
    if (subscriber) this.unsubscribe = offers.listen(subscriber, (what) => this.onOfferChange(what));
  }

  /**
   * Stops claiming, hands live creators over to workers that have room, ends the other sessions, waits until the last events
   * are in Redis, and releases the leases. Takes about 9 s at most; where no worker takes anything, as long as draining takes.
   */
  async stop(): Promise<void> {
    this.stopping.abort();
    await within(ROUND_MS_MAX, this.loop);
    // First, so that the others compute their share without this worker.
    await within(
      ROUND_MS_MAX,
      this.attempt('leave the registry of workers', () => this.membership.leave()),
    );
    await within(ROUND_MS_MAX, this.receiver.stop());
    const quiet = [...this.held.sessions].filter(([, { openRoom }]) => openRoom === undefined).map(([id]) => id);
    await Promise.all([this.held.end(quiet, 'shutdown'), this.attempt('offer creators', () => this.handOverAll())]);
    await this.held.end([...this.held.sessions.keys()], 'shutdown');
    await this.held.released();
    this.unsubscribe?.();
    clearInterval(this.ticker);
    await this.options.leases.stop();
  }

  /** The sessions of this worker, for metrics and for the lease manager's callbacks. */
  get heldCreators(): Pick<HeldCreators, 'lost' | 'restored' | 'lostOnDisk' | 'states'> {
    return this.held;
  }

  /** The handle of a creator: '' where it is not monitored, undefined while the list of creators is unknown. */
  handleOf(creatorId: string): string | undefined {
    return this.creators.handleOf(creatorId);
  }

  /** Handovers of this worker since the start. */
  handoverStats(): SenderStats & ReceiverStats {
    return { ...this.sender.stats(), ...this.receiver.stats() };
  }

  private onOfferChange(what: 'offer' | 'state'): void {
    if (what === 'offer') void this.attempt('take offers', () => this.balancer.takeOffers(this.stopping.signal));
    this.sender.wake();
    this.receiver.wake();
  }

  private async run(signal: AbortSignal): Promise<void> {
    do {
      await this.round();
    } while (await this.options.clock.sleep(TICK_MS, signal));
  }

  /** All steps that need Redis. A step that fails is tried again in the next round. */
  private async round(): Promise<void> {
    const { clock, logger, standbys, statuses } = this.options;
    const publish = () => {
      standbys.signer.queue.renumber();
      return publishStatuses(statuses, this.held.sessions, clock.now());
    };
    const hasReached =
      (await this.attempt('read the creators', () => this.followCreators())) &&
      (await this.attempt('take creators', () => this.takeCreators())) &&
      (await this.attempt('publish statuses', publish)) &&
      (await this.attempt('delete removed creators', () => this.purgeRemoved()));
    if (hasReached && this.isUnreachable) logger.info({}, 'the supervisor reaches Redis again');
    this.isUnreachable = !hasReached;
  }

  private async attempt(what: string, step: () => Promise<unknown>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      const { size: held } = this.held.sessions;
      if (!this.isUnreachable)
        this.options.logger.warn({ what, reason: reasonOf(error), held }, 'the supervisor cannot reach Redis; sessions continue');
      this.isUnreachable = true;
      return false;
    }
  }

  private async followCreators(): Promise<void> {
    if (!(await this.creators.refresh())) return;
    const removed: string[] = [];
    const paused: string[] = [];
    for (const [id, session] of this.held.sessions) {
      const record = this.creators.get(id);
      if (!record) removed.push(id);
      else if (record.paused) paused.push(id);
      else session.update(record);
    }
    if (removed.length > 0) void this.held.end(removed, 'removed');
    if (paused.length > 0) void this.held.end(paused, 'paused');
  }

  private async takeCreators(): Promise<void> {
    const { leaseTtlMs, clock, counters } = this.options;
    if (this.stopping.signal.aborted) return;
    await this.membership.heartbeat({ creators: this.held.sessions.size, counters: counters(), startedAt: this.startedAt });
    if (!this.creators.isKnown || this.stopping.signal.aborted) return;
    await this.balancer.takeOffers(this.stopping.signal);
    const share = await this.balancer.share();
    await this.balancer.claim(share, this.stopping.signal);
    if (clock.now() - this.rebalancedAt < leaseTtlMs) return;
    this.rebalancedAt = clock.now();
    const offered = this.balancer.release(share);
    if (offered.length > 0) void this.attempt('offer creators', () => this.sender.offer(offered, 'moved'));
  }

  /** Offers all live creators where another worker has room, and waits for the results. */
  private async handOverAll(): Promise<void> {
    if (this.held.sessions.size === 0 || !(await this.membership.hasRoomElsewhere())) return;
    await this.sender.offer([...this.held.sessions.values()], 'shutdown');
    await within(HANDOVERS_MS_MAX, this.sender.settled());
  }

  private async purgeRemoved(): Promise<void> {
    const { creators } = this;
    if (creators.isKnown) await this.removed.purge((id) => creators.get(id) !== undefined, this.options.clock.now());
  }
}
