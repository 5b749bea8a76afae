import type { CreatorStatus, HandoverOffers, LeaseManager, OfferState, TransferResult } from '@tributary/creators';
import { type Logger, reasonOf, WakeSignal } from '@tributary/runtime';
import type { Clock } from '../pacing/clock.js';
import type { CreatorSession } from '../session/creator-session.js';
import { handoverProof, handoverToken } from './handover-state.js';

/** Why a live creator is handed over. */
export type HandoverReason = 'shutdown' | 'moved';

export interface HandoverSenderOptions {
  offers: HandoverOffers;
  leases: Pick<LeaseManager, 'transferred'>;
  clock: Clock;
  logger: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
  /** These sessions end now; their leases are held until the other workers have them. */
  onEnding(creatorIds: string[]): void;
  /** These sessions ended, but no worker got their leases: release the leases. */
  onNotTransferred(creatorIds: string[]): Promise<void>;
  /** Other workers hold these leases now. */
  onTransferred(creatorIds: string[]): void;
  /** No worker took these: their sessions go on unchanged. */
  onKept(creatorIds: string[], reason: HandoverReason): void;
  /** Publishes the last statuses of this holder, while it still has the leases. */
  publish(statuses: ReadonlyMap<string, CreatorStatus>): Promise<unknown>;
}

/** How long both workers receive a room. What is on its way to the old worker when the new one connects arrives within it. */
const OVERLAP_MS = 500;
/** After the last progress an open offer is withdrawn: three rounds of a worker that missed the notification, or is busy. */
const TAKE_MS = 3_000;
/** Until the receiver must be ready: a stop is in a hurry, a move is not. */
const READY_MS = { shutdown: 5_000, moved: 15_000 };
/** Until the last events are in the inbox and the lease has moved. */
const FINISH_MS = 2_000;
const ROUND_MS = 100;
/** A loop that waits for changes of offers runs no more often than this. */
const ROUND_MS_MIN = 10;
const TRANSFER_RETRY_MS = 10;
const NEVER = new AbortController().signal;

/** Why an offer is withdrawn. */
type WithdrawalReason = 'not-taken' | 'not-ready' | 'unanswered' | 'gone' | 'room-changed';

interface OfferedSession {
  session: CreatorSession;
  reason: HandoverReason;
  roomId: string;
  /** Messages that the session had received when it was offered. */
  messages: number;
  offeredAt: number;
  readyAt?: number;
  receiver?: string;
  /** The state of its offer in the last round. */
  lastState?: OfferState['state'];
}

export interface SenderStats {
  offered: number;
  /** Handed over to a worker that received the room already. */
  completed: number;
  /** Withdrawn, because no worker took it or was ready in time. */
  withdrawn: number;
  /** Ended, but released instead: the last events did not reach the inbox in time. */
  released: number;
}

/**
 * The sending side of planned handovers: offers live creators, and goes on receiving until the receiver receives too and for
 * a short overlap. Then it ends in an orderly way and transfers the lease. A failure before that end changes nothing.
 */
export class HandoverSender {
  private readonly offered = new Map<string, OfferedSession>();
  private readonly finishing = new Set<Promise<void>>();
  private readonly changed: WakeSignal;
  private running: Promise<void> | undefined;
  private isUnreachable = false;
  /** When an offer was last taken or became ready. After it other offers get more time. */
  private progressAt = 0;
  private readonly totals: SenderStats = { offered: 0, completed: 0, withdrawn: 0, released: 0 };

  constructor(private readonly options: HandoverSenderOptions) {
    const { clock } = options;
    this.changed = new WakeSignal({ sleep: (ms, signal) => clock.sleep(ms, signal), restMs: ROUND_MS_MIN });
  }

  has(creatorId: string): boolean {
    return this.offered.has(creatorId);
  }

  stats(): SenderStats {
    return { ...this.totals };
  }

  /** An offer has changed. */
  wake(): void {
    this.changed.notify();
  }

  /**
   * Offers these sessions; the callbacks report the results. Sessions that receive nothing, or are offered already, are left
   * alone. A stop makes the offer of a move urgent.
   */
  async offer(sessions: readonly CreatorSession[], reason: HandoverReason): Promise<void> {
    const { offers, clock } = this.options;
    const added: OfferedSession[] = [];
    for (const session of sessions) {
      const { openRoom: roomId, messages, lease } = session;
      const before = this.offered.get(lease.creatorId);
      if (roomId === undefined || (before && (before.reason === reason || reason === 'moved'))) continue;
      // A worker may have taken the offer of before, without this one knowing: it has received the room since then.
      const since = before?.roomId === roomId ? before.messages : messages;
      const entry: OfferedSession = { session, reason, roomId, messages: since, offeredAt: clock.now() };
      if (before && (before.lastState === 'taken' || before.lastState === 'ready')) {
        Object.assign(before, { reason, offeredAt: entry.offeredAt });
        continue;
      }
      this.offered.set(lease.creatorId, entry);
      added.push(entry);
    }
    if (added.length === 0) return;
    this.totals.offered += added.length;
    const offerTtlMs = READY_MS[reason] + OVERLAP_MS + FINISH_MS + 1_000;
    const creators = added.map(({ session: { lease }, roomId }) => ({ creatorId: lease.creatorId, fence: lease.fence, roomId }));
    try {
      const accepted = await offers.offer(creators, offerTtlMs, reason === 'shutdown');
      this.keep(added.filter(({ session }) => !accepted.has(session.lease.creatorId)));
    } catch (error) {
      this.keep(added);
      throw error;
    }
    this.running ??= this.run().finally(() => (this.running = undefined));
  }

  /** Withdraws offers of sessions that end for another reason. */
  async withdraw(creatorIds: Iterable<string>): Promise<void> {
    const offered = [...creatorIds].flatMap((id) => this.offered.get(id) ?? []);
    if (offered.length > 0) await this.withdrawAll(offered);
  }

  /** Resolves when no offer is open and no handover is under way. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    while (this.offered.size > 0 || this.finishing.size > 0) {
      await this.round();
      if (this.offered.size > 0) await this.changed.wait(ROUND_MS, NEVER);
      // New offers are handled while others finish.
      else await Promise.race([Promise.all(this.finishing), this.changed.wait(ROUND_MS, NEVER)]);
    }
  }

  private async round(): Promise<void> {
    const { offers, clock, logger } = this.options;
    // This answer says nothing of sessions that are offered while Redis answers.
    const entries = [...this.offered];
    let states: Map<string, OfferState> | undefined;
    try {
      states = await offers.states(entries.map(([id]) => id));
      this.isUnreachable = false;
    } catch (error) {
      if (!this.isUnreachable)
        logger.warn({ reason: reasonOf(error), creators: this.offered.size }, 'the offers cannot be read; they stay open');
      this.isUnreachable = true;
    }
    const now = clock.now();
    const failed: OfferedSession[] = [];
    const reasons: Partial<Record<WithdrawalReason, number>> = {};
    const due: OfferedSession[] = [];
    for (const [id, entry] of entries) {
      if (this.offered.get(id) !== entry) continue;
      const state = states && (states.get(id) ?? 'gone');
      if (state !== undefined && state !== 'gone' && state.state !== entry.lastState) {
        entry.lastState = state.state;
        if (state.state !== 'open') this.progressAt = now;
      }
      const step = nextStep(entry, state, now, this.progressAt);
      if (step === 'finish') due.push(entry);
      else if (step !== 'wait') {
        failed.push(entry);
        reasons[step] = (reasons[step] ?? 0) + 1;
      }
    }
    if (due.length > 0) this.finish(due);
    if (failed.length === 0) return;
    logger.info(reasons, 'offers of creators are withdrawn');
    await this.withdrawAll(failed);
  }

  private async withdrawAll(entries: OfferedSession[]): Promise<void> {
    const leases = entries.map(({ session }) => session.lease);
    this.totals.withdrawn += entries.length;
    this.keep(entries);
    try {
      await this.options.offers.withdraw(leases);
    } catch (error) {
      // The offers expire by themselves, and an offer alone gives nobody a lease.
      this.options.logger.debug({ reason: reasonOf(error), creators: leases.length }, 'offers could not be withdrawn');
    }
  }

  private keep(entries: OfferedSession[]): void {
    for (const reason of ['shutdown', 'moved'] as const) {
      const ids = entries.filter((one) => one.reason === reason).map(({ session }) => session.lease.creatorId);
      for (const id of ids) this.offered.delete(id);
      if (ids.length > 0) this.options.onKept(ids, reason);
    }
  }

  private finish(due: OfferedSession[]): void {
    const ids = due.map(({ session }) => session.lease.creatorId);
    for (const id of ids) this.offered.delete(id);
    this.options.onEnding(ids);
    const finishing = this.endAndTransfer(due)
      .catch((error: unknown) => this.options.logger.error({ err: error, creators: due.length }, 'a handover failed; this is a bug'))
      .finally(() => this.finishing.delete(finishing));
    this.finishing.add(finishing);
  }

  private async endAndTransfer(due: OfferedSession[]): Promise<void> {
    const { clock, logger } = this.options;
    const tokens = new Map(due.map(({ session: { lease }, receiver = '' }) => [lease.creatorId, handoverToken(receiver, lease.fence)]));
    await Promise.all(
      due.map(({ session, reason, messages }) => {
        const token = tokens.get(session.lease.creatorId)!;
        return session.handOver(reason, { token, messages: session.messages - messages });
      }),
    );
    // While the leases are still held: later it would overwrite the status of the next holder.
    await this.options.publish(new Map(due.map(({ session, reason }) => [session.lease.creatorId, session.finalStatus(reason)])));
    const deadline = clock.now() + FINISH_MS;
    let left = due;
    while (left.length > 0 && clock.now() < deadline) {
      left = await this.transfer(left, tokens);
      if (left.length > 0) await clock.sleep(TRANSFER_RETRY_MS, NEVER);
    }
    if (left.length === 0) return;
    this.totals.released += left.length;
    logger.warn({ creators: left.length }, 'the last events of creators handed over are not in Redis yet; their leases are released');
    await this.options.onNotTransferred(left.map(({ session }) => session.lease.creatorId));
  }

  /** Tries once to transfer these leases; returns those whose last event is not in the inbox yet. */
  private async transfer(entries: OfferedSession[], tokens: ReadonlyMap<string, string>): Promise<OfferedSession[]> {
    const { offers, leases, logger } = this.options;
    let results: Map<string, TransferResult>;
    try {
      const transfers = entries.map(({ session: { lease }, receiver = '' }) => {
        const { creatorId, fence } = lease;
        return { creatorId, fence, to: receiver, proof: handoverProof(tokens.get(creatorId)!) };
      });
      results = await offers.transfer(transfers);
    } catch (error) {
      logger.debug({ reason: reasonOf(error) }, 'leases could not be transferred; trying again');
      return entries;
    }
    const resultOf = ({ session }: OfferedSession) => results.get(session.lease.creatorId) ?? 'not-yet';
    const gone = entries.filter((entry) => resultOf(entry) !== 'not-yet');
    for (const { session } of gone) leases.transferred(session.lease.creatorId, session.lease.fence);
    this.totals.completed += gone.filter((entry) => resultOf(entry) === 'done').length;
    this.options.onTransferred(gone.map(({ session }) => session.lease.creatorId));
    return entries.filter((entry) => !gone.includes(entry));
  }
}

/** What to do with an offer. `finish`: both workers have received the room for long enough. A reason: withdraw it. */
function nextStep(
  entry: OfferedSession,
  state: OfferState | 'gone' | undefined,
  now: number,
  progressAt: number,
): 'wait' | 'finish' | WithdrawalReason {
  const { session, reason, roomId, offeredAt } = entry;
  const isLate = now - offeredAt > READY_MS[reason];
  if (session.openRoom !== roomId) return 'room-changed';
  if (state === undefined) return isLate ? 'unanswered' : 'wait';
  if (state === 'gone' || state.fence !== session.lease.fence) return 'gone';
  if (state.state === 'ready') {
    entry.readyAt ??= now;
    entry.receiver = state.taker;
    // What comes while the socket is not read must be received by both, too.
    return now - Math.max(entry.readyAt, session.listeningSince) >= OVERLAP_MS ? 'finish' : 'wait';
  }
  entry.readyAt = undefined;
  if (state.state === 'open' && now - Math.max(offeredAt, progressAt) > TAKE_MS) return 'not-taken';
  return isLate ? 'not-ready' : 'wait';
}
