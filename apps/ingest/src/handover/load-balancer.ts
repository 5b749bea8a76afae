import { type Lease, type LeaseManager, movesNow, type Share } from '@tributary/creators';
import type { Logger } from '@tributary/runtime';
import type { Clock } from '../pacing/clock.js';
import type { CreatorSession, CreatorSessionOptions } from '../session/creator-session.js';
import type { HandoverReceiver } from './handover-receiver.js';
import type { HandoverSender } from './handover-sender.js';
import type { HeldCreators } from './held-creators.js';
import type { MonitoredCreators } from './monitored-creators.js';
import type { StandbyConnection } from './standby-connection.js';
import type { WorkerMembership } from './worker-membership.js';

export interface LoadBalancerOptions {
  creators: MonitoredCreators;
  held: HeldCreators;
  sender: Pick<HandoverSender, 'has'>;
  receiver: HandoverReceiver;
  membership: WorkerMembership;
  leases: LeaseManager;
  clock: Clock;
  logger: Pick<Logger, 'info'>;
  newSession: (options: CreatorSessionOptions) => CreatorSession;
}

/** Creators named in one call's claims: bounds the scripts. The next call begins elsewhere. */
const CANDIDATES_MAX = 5_000;
/** Leases taken in one call. */
const CLAIMS_MAX = 500;
/** Offers taken at a time, and the pause between: other workers take theirs meanwhile. */
const TAKES_MAX = 64;
const TAKES_PAUSE_MS = 30;
/** How long claims wait for the projection after a wipe: without it, the gaps of claimed creators would have no beginning. */
const PROJECTION_WAIT_MS_MAX = 15_000;

/** Brings this worker to its share of the creators: takes offered and free ones, and gives up those beyond it. */
export class LoadBalancer {
  private isTaking = false;
  private areOffersDue = false;

  constructor(private readonly options: LoadBalancerOptions) {}

  /** This worker's share of all creators that are not paused. */
  share(): Promise<Share> {
    return this.options.membership.share(this.options.creators.allActive().length);
  }

  /** Takes handover offers of other workers, up to the share. */
  async takeOffers(stopping: AbortSignal): Promise<void> {
    this.areOffersDue = true;
    if (this.isTaking) return;
    this.isTaking = true;
    const { creators, receiver, clock } = this.options;
    try {
      for (let taken = TAKES_MAX; (this.areOffersDue || taken === TAKES_MAX) && creators.isKnown && !stopping.aborted;) {
        this.areOffersDue = false;
        taken = await receiver.take(Math.min(TAKES_MAX, this.free(await this.share())));
        if (taken === TAKES_MAX) await clock.sleep(TAKES_PAUSE_MS, stopping);
      }
    } finally {
      this.isTaking = false;
    }
  }

  /** Claims free creators up to the share, and begins their sessions. */
  async claim(share: Share, stopping: AbortSignal): Promise<void> {
    const { creators, held, receiver, leases, logger, newSession } = this.options;
    const max = Math.min(CLAIMS_MAX, this.free(share));
    const active = creators.allActive();
    if (max <= 0 || active.length === 0 || creators.isMissingForLessThan(PROJECTION_WAIT_MS_MAX)) return;
    // Workers begin at different creators, so that they do not race for the same ones.
    const from = Math.floor(Math.random() * active.length);
    const free = [...active.slice(from), ...active.slice(0, from)].filter(
      ({ id }) => leases.get(id) === undefined && !held.isEnding(id) && !receiver.has(id),
    );
    const records = new Map(free.slice(0, CANDIDATES_MAX).map((record) => [record.id, record]));
    const taken = await leases.claim(records.keys(), max);
    if (stopping.aborted) {
      await leases.release(taken.map(({ creatorId }) => creatorId));
      return;
    }
    for (const lease of taken) {
      const record = records.get(lease.creatorId);
      // A lease that was lost while the claim was under way must get no session.
      if (record && leases.get(lease.creatorId)?.fence === lease.fence) held.begin(newSession({ record, lease }));
    }
    if (taken.length > 0) {
      const expired = taken.filter((lease) => lease.from === 'expired').length;
      logger.info({ taken: taken.length, expired, held: leases.size, share: share.claimUpTo }, 'creators taken');
    }
  }

  /** This worker has the lease of a creator whose room it receives already. */
  adopt(lease: Lease, standby: StandbyConnection, stopping: AbortSignal): void {
    const { creators, held, leases, newSession } = this.options;
    const record = creators.active(lease.creatorId);
    if (record && !stopping.aborted) return held.begin(newSession({ record, lease, standby }));
    standby.discard();
    void leases.release([lease.creatorId]);
  }

  /** Beyond the share: releases a bounded number of quiet creators. Returns live ones to be handed over where none is quiet. */
  release(share: Share): CreatorSession[] {
    const { held, sender, leases, logger } = this.options;
    const quiet: string[] = [];
    const live: CreatorSession[] = [];
    let others = 0;
    for (const [id, session] of held.sessions) {
      if (sender.has(id)) continue;
      if (session.isQuiet) quiet.push(id);
      else if (session.openRoom !== undefined) live.push(session);
      else others += 1;
    }
    const moves = movesNow({ quiet: quiet.length, live: live.length + others }, share);
    if (moves.quiet + moves.live === 0) return [];
    logger.info({ moves, held: leases.size, share: share.claimUpTo }, 'moving creators to other workers');
    if (moves.quiet > 0) void held.end(quiet.slice(0, moves.quiet), 'moved');
    return live.slice(0, moves.live);
  }

  /** Creators that may still be taken. */
  private free(share: Share): number {
    return share.claimUpTo - this.options.leases.size - this.options.receiver.size;
  }
}
