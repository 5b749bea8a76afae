import type { CreatorRecord, HandoverOffers, Lease, LeaseManager, OfferState, TakenOffer } from '@tributary/creators';
import { type Logger, reasonOf, WakeSignal } from '@tributary/runtime';
import { StandbyConnection, type StandbyServices } from './standby-connection.js';

export interface HandoverReceiverOptions {
  services: StandbyServices;
  offers: HandoverOffers;
  leases: LeaseManager;
  logger: Pick<Logger, 'debug' | 'info'>;
  /** The name under which this worker holds leases. */
  run: string;
  leaseTtlMs: number;
  /** The record of a creator that may be received; undefined for one that is paused or not monitored. */
  record(creatorId: string): CreatorRecord | undefined;
  /** This worker has the lease: the creator's session takes the standby connection over. */
  onLease(lease: Lease, standby: StandbyConnection): void;
}

const ROUND_MS = 100;
/** A loop that waits for changes of offers runs no more often than this. */
const ROUND_MS_MIN = 10;
/** Time after the end of the offer and one lease time. Then its holder has neither left nor died, and the offer is lost. */
const OFFER_LOST_MS = 5_000;

interface Reception {
  standby: StandbyConnection;
  isReady: boolean;
}

export interface ReceiverStats {
  /** Standby connections now. */
  standby: number;
  /** Offers taken. */
  taken: number;
  /** Standby connections that became the session of this worker. */
  adopted: number;
  /** Given up, because the room could not be received, or the connection was not needed. */
  dropped: number;
}

/**
 * The receiving side of planned handovers: takes offers, opens a standby connection for each, and claims the leases when
 * their holders leave or die.
 */
export class HandoverReceiver {
  private readonly receptions = new Map<string, Reception>();
  private readonly pool = { bytes: 0 };
  private readonly changed: WakeSignal;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private readonly totals = { taken: 0, adopted: 0, dropped: 0 };

  constructor(private readonly options: HandoverReceiverOptions) {
    const { clock } = options.services;
    this.changed = new WakeSignal({ sleep: (ms, signal) => clock.sleep(ms, signal), restMs: ROUND_MS_MIN });
  }

  get size(): number {
    return this.receptions.size;
  }

  has(creatorId: string): boolean {
    return this.receptions.has(creatorId);
  }

  stats(): ReceiverStats {
    return { standby: this.size, ...this.totals };
  }

  /** An offer has changed. */
  wake(): void {
    this.changed.notify();
  }

  /**
   * Takes up to `max` offers, within the sign budget. Offers of workers that only want to hold less are taken while half of
   * the budget is free and no room waits for a sign call. Returns how many it took.
   */
  async take(max: number): Promise<number> {
    const { offers, services } = this.options;
    const { free, usedInWindow, waiting } = services.signer.queue;
    if (this.stopping.signal.aborted) return 0;
    const takeMax = Math.min(max, free);
    if (takeMax <= 0) return 0;
    const taken = await offers.take(takeMax, free > usedInWindow && waiting === 0);
    const unusable = taken.filter((offer) => !this.begin(offer));
    // A worker that stops leaves them to others.
    if (unusable.length > 0) await offers.answer(unusable, this.stopping.signal.aborted ? 'open' : 'none');
    this.totals.taken += taken.length - unusable.length;
    return taken.length - unusable.length;
  }

  /** Reopens every offer for other workers, and closes all standby connections. A lease that comes too late is released. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.changed.notify();
    await this.running;
    const standbys = [...this.receptions.values()].map(({ standby }) => standby);
    for (const standby of standbys) this.drop(standby);
    if (standbys.length === 0) return;
    const { offers, leases, logger } = this.options;
    try {
      const open = standbys.map(({ offer }) => offer);
      await offers.answer(open, 'open');
      const claimed = await leases.claim(
        open.map(({ creatorId }) => creatorId),
        open.length,
      );
      await leases.release(claimed.map(({ creatorId }) => creatorId));
    } catch (error) {
      logger.debug({ reason: reasonOf(error), creators: standbys.length }, 'offers could not be reopened; they expire by themselves');
    }
  }

  private begin(offer: TakenOffer): boolean {
    const { services, run } = this.options;
    const record = this.options.record(offer.creatorId);
    if (!record || this.stopping.signal.aborted) return false;
    // Its offer was withdrawn: the holder does not tell this connection which messages it has published.
    const before = this.receptions.get(offer.creatorId);
    if (before) this.drop(before.standby);
    const standby = new StandbyConnection({ services, record, offer, run, pool: this.pool });
    const reception: Reception = { standby, isReady: false };
    this.receptions.set(offer.creatorId, reception);
    void this.open(reception);
    this.running ??= this.run().finally(() => (this.running = undefined));
    return true;
  }

  private async open(reception: Reception): Promise<void> {
    const { offers, logger } = this.options;
    const { standby } = reception;
    const { offer } = standby;
    try {
      const problem = await standby.open(this.stopping.signal);
      if (this.receptions.get(offer.creatorId) !== reception || this.stopping.signal.aborted) return;
      if (problem === undefined) {
        reception.isReady = true;
        await offers.answer([offer], 'ready');
      } else {
        logger.info({ creator: offer.creatorId, room: offer.roomId, problem }, 'cannot receive a room that was offered');
        this.drop(standby);
        await offers.answer([offer], 'none');
      }
    } catch (error) {
      // The holder waits for the answer for a bounded time, and the next round reads the offers again.
      logger.debug({ creator: offer.creatorId, reason: reasonOf(error) }, 'an offer could not be answered');
    }
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (this.receptions.size > 0 && !signal.aborted) {
      await this.round();
      await this.changed.wait(ROUND_MS, signal);
    }
  }

  private async round(): Promise<void> {
    const { offers, leases, logger, services, run, leaseTtlMs } = this.options;
    // This answer says nothing of receptions that begin while Redis answers.
    const receptions = [...this.receptions];
    let states: Map<string, OfferState> | undefined;
    try {
      // Before the claim: an offer that ended with the transfer of its lease must not end the standby connection.
      states = await offers.states(receptions.map(([id]) => id));
    } catch (error) {
      logger.debug({ reason: reasonOf(error), creators: this.receptions.size }, 'the offers cannot be read; standby connections wait');
    }
    const ready = receptions.filter(([, { isReady }]) => isReady).map(([id]) => id);
    for (const lease of await leases.claim(ready, ready.length)) this.adopt(lease);
    const now = services.clock.now();
    for (const [id, reception] of receptions) {
      const { standby, isReady } = reception;
      if (this.receptions.get(id) !== reception) continue;
      const state = states?.get(id);
      const isOurs = state?.fence === standby.offer.fence && state.taker === run;
      const isLost = now - standby.takenAt > standby.offer.offerTtlMs + leaseTtlMs + OFFER_LOST_MS;
      const hasEnded = isReady && !standby.isOpen;
      // Where the lease may not be claimed yet, the transfer may already have happened.
      const isWithdrawn = states !== undefined && !isOurs && leases.mayClaim(id);
      if (isLost || hasEnded || isWithdrawn) this.drop(standby);
      if (hasEnded && isOurs) await this.refuse(standby);
    }
  }

  private adopt(lease: Lease): void {
    const reception = this.receptions.get(lease.creatorId);
    if (!reception) return;
    this.receptions.delete(lease.creatorId);
    this.totals.adopted += 1;
    this.options.onLease(lease, reception.standby);
  }

  private drop(standby: StandbyConnection): void {
    this.receptions.delete(standby.offer.creatorId);
    this.totals.dropped += 1;
    standby.discard();
  }

  private async refuse({ offer }: StandbyConnection): Promise<void> {
    try {
      await this.options.offers.answer([offer], 'none');
    } catch (error) {
      this.options.logger.debug({ creator: offer.creatorId, reason: reasonOf(error) }, 'an offer could not be answered');
    }
  }
}
