import type { CreatorState, CreatorStatus, Lease, LeaseManager, StatusStore } from '@tributary/creators';
import type { InboxProducer } from '@tributary/log';
import type { Logger } from '@tributary/runtime';
import type { CreatorSession } from '../session/creator-session.js';
import type { StopReason } from '../session/room-events.js';

export interface HeldCreatorsOptions {
  leases: LeaseManager;
  statuses: StatusStore;
  producer: Pick<InboxProducer, 'drain'>;
  logger: Pick<Logger, 'warn'>;
  /** Withdraws handover offers of these creators: their sessions end for another reason. */
  withdraw(creatorIds: Iterable<string>): Promise<void>;
  /** Runs a step that needs Redis; logs its failure instead of throwing. */
  attempt(what: string, step: () => Promise<unknown>): Promise<boolean>;
}

/** What the last events of an ending session may take to reach Redis. */
const DRAIN_MS = 2_000;

/** The leases in hand: one running session for each. A lease is released only when the session's last events are in Redis. */
export class HeldCreators {
  private readonly running = new Map<string, CreatorSession>();
  /** Sessions that end, or have ended, and whose leases are still held. */
  private readonly ending = new Map<string, CreatorSession>();
  private readonly releases = new Set<Promise<void>>();

  constructor(private readonly options: HeldCreatorsOptions) {}

  /** The running sessions by creator id. */
  get sessions(): ReadonlyMap<string, CreatorSession> {
    return this.running;
  }

  isEnding(creatorId: string): boolean {
    return this.ending.has(creatorId);
  }

  /** Sessions by state, for metrics. */
  states(): Map<CreatorState, number> {
    const counts = new Map<CreatorState, number>();
    for (const { state } of this.running.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return counts;
  }

  begin(session: CreatorSession): void {
    this.running.set(session.lease.creatorId, session);
    session.start();
  }

  tick(now: number): void {
    for (const session of this.running.values()) session.tick(now);
  }

  /** Another worker has the lease of this session. */
  lost(lease: Lease): void {
    const session = this.running.get(lease.creatorId) ?? this.ending.get(lease.creatorId);
    if (session?.lease.fence !== lease.fence) return;
    this.running.delete(lease.creatorId);
    void session.stop('lost');
  }

  /** A lease came back after Redis lost it. */
  restored(lease: Lease): void {
    this.running.get(lease.creatorId)?.restored();
  }

  /** Spooled events of some creators, received between these times (ms since 1970), were lost. */
  lostOnDisk(isAffected: (creatorId: string) => boolean, from: number, to: number): void {
    for (const [id, session] of this.running) if (isAffected(id)) session.lostOnDisk(from, to);
  }

  /** Ends these sessions in an orderly way, and releases their leases. Resolves when they are released. */
  end(creatorIds: string[], reason: Exclude<StopReason, 'lost'>): Promise<void> {
    const release = this.endAndRelease(creatorIds, reason).finally(() => this.releases.delete(release));
    this.releases.add(release);
    return release;
  }

  /** Resolves when all sessions that end have been released. */
  async released(): Promise<void> {
    await Promise.all(this.releases);
  }

  /** These sessions end elsewhere; their leases stay held until {@link release} or {@link transferred}. */
  markEnding(creatorIds: readonly string[]): Map<string, CreatorSession> {
    const marked = new Map<string, CreatorSession>();
    for (const id of creatorIds) {
      const session = this.running.get(id);
      if (!session) continue;
      this.running.delete(id);
      this.ending.set(id, session);
      marked.set(id, session);
    }
    return marked;
  }

  /** Releases the leases of sessions that have ended. */
  async release(creatorIds: readonly string[]): Promise<void> {
    await this.options.leases.release(creatorIds);
    this.transferred(creatorIds);
  }

  /** The leases of sessions that have ended belong to other workers. */
  transferred(creatorIds: readonly string[]): void {
    for (const id of creatorIds) this.ending.delete(id);
  }

  private async endAndRelease(creatorIds: string[], reason: Exclude<StopReason, 'lost'>): Promise<void> {
    const { producer, statuses, logger } = this.options;
    const ending = this.markEnding(creatorIds);
    if (ending.size === 0) return;
    const ids = [...ending.keys()];
    await Promise.all([this.options.withdraw(ids), ...[...ending.values()].map((session) => session.stop(reason))]);
    if (!(await producer.drain(AbortSignal.timeout(DRAIN_MS)))) {
      logger.warn({ reason, creators: ending.size }, 'the last events of ending sessions are not all in Redis yet');
    }
    // While the leases are still held: later it would overwrite the status of the next holder.
    const last = new Map<string, CreatorStatus>([...ending].map(([id, session]) => [id, session.finalStatus(reason)]));
    await this.options.attempt('publish last statuses', () => (reason === 'removed' ? statuses.remove(ids) : statuses.publish(last)));
    await this.release(ids);
  }
}
