import type { CreatorStatus, LeaseManager, HandoverOffers, OfferState, TransferResult } from '@tributary/creators';
import { reasonOf } from '@tributary/runtime';
import { Bell } from '../pacing/wake-signal.js';
import { handOverProof, handOverToken } from './handover-state.js';
import type { Clock } from '../pacing/clock.js';
import type { CreatorSession } from '../session/creator-session.js';
import type { SessionLogger } from '../session/session-services.js';

/** Why a live creator is handed over. */
export type HandOverReason = 'shutdown' | 'moved';

export interface HandOversOptions {
  offers: HandoverOffers;
  leases: Pick<LeaseManager, 'transferred'>;
  clock: Clock;
  logger: SessionLogger;
  /** These sessions end now; their leases are held until the others have them. */
  onLeaving(creatorIds: string[]): void;
  /** They ended and were not given to anybody: release them. */
  onStranded(creatorIds: string[]): Promise<void>;
  /** Their leases are another worker's. */
  onGone(creatorIds: string[]): void;
  /** Nobody could take these: their sessions run on as if nothing had been. */
  onStaying(creatorIds: string[], reason: HandOverReason): void;
  /** The last statuses of this holder, to be published while it still has the leases. */
  publish(statuses: ReadonlyMap<string, CreatorStatus>): Promise<unknown>;
}

/** How long both workers receive a room: what was on its way to the old one when the new one came arrives within it. */
const OVERLAP_MS = 500;
/** Since anything was last taken: one round of a worker that missed the wake-up, and a half. */
const TAKE_MS = 1_500;
/** Until the taker receives: a stop is in a hurry, a move is not. */
const READY_MS = { shutdown: 5_000, moved: 15_000 };
/** Until the last events are in the inbox and the lease has moved. */
const FINISH_MS = 2_000;
const LOOK_MS = 100;
const TRANSFER_LOOK_MS = 10;
const NEVER = new AbortController().signal;

interface Outgoing {
  session: CreatorSession;
  reason: HandOverReason;
  roomId: string;
  /** Messages that the session had received when it was offered. */
  messages: number;
  offeredAt: number;
  readyAt?: number;
  taker?: string;
  /** The state of its offer when it was last looked at. */
  seen?: OfferState['state'];
}

export interface HandOverStats {
  offered: number;
  /** Given to a worker that received the room already. */
  done: number;
  /** Withdrawn, because nobody took it or could receive it in time. */
  withdrawn: number;
  /** Ended for a taker, and released all the same: the last events did not reach the inbox in time. */
  stranded: number;
}

/**
 * The giving side of planned hand-overs: offers live creators, keeps receiving until a taker receives too and a little longer,
 * then ends in an orderly way and gives the lease away. Whatever fails before that end costs nothing, as nothing was changed.
 */
export class HandOvers {
  private readonly offered = new Map<string, Outgoing>();
  private readonly finishing = new Set<Promise<void>>();
  private readonly bell: Bell;
  private driving: Promise<void> | undefined;
  private isAway = false;
  /** When somebody last took or joined something: others are taken after it. */
  private progressAt = 0;
  private readonly totals: HandOverStats = { offered: 0, done: 0, withdrawn: 0, stranded: 0 };

  constructor(private readonly options: HandOversOptions) {
    this.bell = new Bell(options.clock);
  }

  has(creatorId: string): boolean {
    return this.offered.has(creatorId);
  }

  stats(): HandOverStats {
    return { ...this.totals };
  }

  /** Something changed on the board. */
  wake(): void {
    this.bell.ring();
  }

  /**
   * Offers these; those that receive nothing, or are offered already, are left alone, but a move becomes as urgent as a stop.
   * What becomes of them is told to the callbacks.
   */
  async offer(sessions: readonly CreatorSession[], reason: HandOverReason): Promise<void> {
    const { offers, clock } = this.options;
    const outgoing: Outgoing[] = [];
    for (const session of sessions) {
      const { openRoom: roomId, messages, lease } = session;
      const before = this.offered.get(lease.creatorId);
      if (roomId === undefined || (before && (before.reason === reason || reason === 'moved'))) continue;
      const entry: Outgoing = { session, reason, roomId, messages, offeredAt: clock.now() };
      if (before && (before.seen === 'taken' || before.seen === 'ready')) {
        Object.assign(before, { reason, offeredAt: entry.offeredAt });
        continue;
      }
      this.offered.set(lease.creatorId, entry);
      outgoing.push(entry);
    }
    if (outgoing.length === 0) return;
    this.totals.offered += outgoing.length;
    const standMs = READY_MS[reason] + OVERLAP_MS + FINISH_MS + 1_000;
    const creators = outgoing.map(({ session: { lease }, roomId }) => ({ creatorId: lease.creatorId, fence: lease.fence, roomId }));
    try {
      const offered = await offers.offer(creators, standMs, reason === 'shutdown');
      this.keep(outgoing.filter(({ session }) => !offered.has(session.lease.creatorId)));
    } catch (error) {
      this.keep(outgoing);
      throw error;
    }
    this.driving ??= this.drive().finally(() => (this.driving = undefined));
  }

  /** Takes these back, where they are still on offer: their sessions end for another reason. */
  async withdraw(creatorIds: Iterable<string>): Promise<void> {
    const outgoing = [...creatorIds].flatMap((id) => this.offered.get(id) ?? []);
    if (outgoing.length > 0) await this.takeBack(outgoing);
  }

  /** Resolves when nothing is on offer and nothing is under way. */
  async settled(): Promise<void> {
    await this.driving;
  }

  private async drive(): Promise<void> {
    while (this.offered.size > 0 || this.finishing.size > 0) {
      await this.round();
      if (this.offered.size > 0) await this.bell.wait(LOOK_MS, NEVER);
      // What is offered meanwhile is looked at too.
      else await Promise.race([Promise.all(this.finishing), this.bell.wait(LOOK_MS, NEVER)]);
    }
  }

  private async round(): Promise<void> {
    const { offers, clock, logger } = this.options;
    // Those that are offered while Redis answers are not judged by this answer.
    const entries = [...this.offered];
    let states: Map<string, OfferState> | undefined;
    try {
      states = await offers.states(entries.map(([id]) => id));
      this.isAway = false;
    } catch (error) {
      if (!this.isAway) logger.warn({ reason: reasonOf(error), creators: this.offered.size }, 'the offers cannot be read; they are kept');
      this.isAway = true;
    }
    const now = clock.now();
    const over: Outgoing[] = [];
    const due: Outgoing[] = [];
    for (const [id, outgoing] of entries) {
      if (this.offered.get(id) !== outgoing) continue;
      const state = states && (states.get(id) ?? 'gone');
      if (state !== undefined && state !== 'gone' && state.state !== outgoing.seen) {
        outgoing.seen = state.state;
        if (state.state !== 'open') this.progressAt = now;
      }
      const verdict = judge(outgoing, state, now, this.progressAt);
      if (verdict === 'over') over.push(outgoing);
      else if (verdict === 'due') due.push(outgoing);
    }
    if (due.length > 0) this.finish(due);
    if (over.length > 0) await this.takeBack(over);
  }

  private async takeBack(outgoing: Outgoing[]): Promise<void> {
    const leases = outgoing.map(({ session }) => session.lease);
    this.totals.withdrawn += outgoing.length;
    this.keep(outgoing);
    try {
      await this.options.offers.withdraw(leases);
    } catch (error) {
      // The offers end by themselves, and nobody gets a lease by an offer alone.
      this.options.logger.debug({ reason: reasonOf(error), creators: leases.length }, 'offers could not be withdrawn');
    }
  }

  private keep(outgoing: Outgoing[]): void {
    for (const reason of ['shutdown', 'moved'] as const) {
      const ids = outgoing.filter((one) => one.reason === reason).map(({ session }) => session.lease.creatorId);
      for (const id of ids) this.offered.delete(id);
      if (ids.length > 0) this.options.onStaying(ids, reason);
    }
  }

  private finish(due: Outgoing[]): void {
    for (const { session } of due) this.offered.delete(session.lease.creatorId);
    this.options.onLeaving(due.map(({ session }) => session.lease.creatorId));
    const finishing = this.leave(due)
      .catch((error: unknown) => this.options.logger.error({ err: error, creators: due.length }, 'a hand-over failed; this is a bug'))
      .finally(() => this.finishing.delete(finishing));
    this.finishing.add(finishing);
  }

  private async leave(due: Outgoing[]): Promise<void> {
    const { offers, leases, clock, logger } = this.options;
    const tokens = new Map(due.map(({ session: { lease }, taker = '' }) => [lease.creatorId, handOverToken(taker, lease.fence)]));
    await Promise.all(
      due.map(({ session, reason, messages }) => {
        const token = tokens.get(session.lease.creatorId)!;
        return session.handOver(reason, { token, messages: session.messages - messages });
      }),
    );
    // While the leases are still held: afterwards it would overwrite what the next holder says.
    await this.options.publish(new Map(due.map(({ session, reason }) => [session.lease.creatorId, session.finalStatus(reason)])));
    const deadline = clock.now() + FINISH_MS;
    let left = due;
    while (left.length > 0 && clock.now() < deadline) {
      let results = new Map<string, TransferResult>();
      try {
        const transfers = left.map(({ session: { lease }, taker = '' }) => {
          const { creatorId, fence } = lease;
          return { creatorId, fence, to: taker, proof: handOverProof(tokens.get(creatorId)!) };
        });
        results = await offers.transfer(transfers);
      } catch (error) {
        logger.debug({ reason: reasonOf(error) }, 'leases could not be transferred; trying again');
      }
      const gone = left.filter(({ session }) => (results.get(session.lease.creatorId) ?? 'not-yet') !== 'not-yet');
      left = left.filter((outgoing) => !gone.includes(outgoing));
      for (const { session } of gone) leases.transferred(session.lease.creatorId, session.lease.fence);
      this.totals.done += gone.filter(({ session }) => results.get(session.lease.creatorId) === 'done').length;
      this.options.onGone(gone.map(({ session }) => session.lease.creatorId));
      if (left.length > 0) await clock.sleep(TRANSFER_LOOK_MS, NEVER);
    }
    if (left.length === 0) return;
    this.totals.stranded += left.length;
    logger.warn({ creators: left.length }, 'the last events of creators handed over are not in Redis yet; their leases are released');
    await this.options.onStranded(left.map(({ session }) => session.lease.creatorId));
  }
}

/** `over`: taken back. `due`: its taker has received it for long enough. */
function judge(outgoing: Outgoing, state: OfferState | 'gone' | undefined, now: number, progressAt: number): 'over' | 'due' | undefined {
  const { session, reason, roomId, offeredAt } = outgoing;
  const ageMs = now - offeredAt;
  if (session.openRoom !== roomId) return 'over';
  if (state === undefined) return ageMs > READY_MS[reason] ? 'over' : undefined;
  if (state === 'gone' || state.fence !== session.lease.fence) return 'over';
  if (state.state === 'ready') {
    outgoing.readyAt ??= now;
    outgoing.taker = state.taker;
    // What came while the socket was not read was received by nobody else.
    return now - Math.max(outgoing.readyAt, session.listeningSince) >= OVERLAP_MS ? 'due' : undefined;
  }
  outgoing.readyAt = undefined;
  const isIgnored = state.state === 'open' && now - Math.max(offeredAt, progressAt) > TAKE_MS;
  return isIgnored || ageMs > READY_MS[reason] ? 'over' : undefined;
}
