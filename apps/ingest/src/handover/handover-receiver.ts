import type { CreatorRecord, Lease, LeaseManager, HandoverOffers, OfferState, TakenOffer } from '@tributary/creators';
import { reasonOf } from '@tributary/runtime';
import { Bell } from '../pacing/wake-signal.js';
import type { SessionServices } from '../session/session-services.js';
import { Standby } from './standby-connection.js';

export interface StandbysOptions {
  services: SessionServices;
  offers: HandoverOffers;
  leases: LeaseManager;
  /** The name that this worker holds leases under. */
  run: string;
  leaseTtlMs: number;
  /** The record of a creator that is to be received; undefined for one that is paused or not known here. */
  record(creatorId: string): CreatorRecord | undefined;
  /** The lease has come: its session goes on where the standby is. */
  onLease(lease: Lease, standby: Standby): void;
}

const LOOK_MS = 100;
/** Beyond the end of the offer and a whole lease: then its holder neither left nor died, and has forgotten it. */
const PATIENCE_MS = 5_000;

interface Entry {
  standby: Standby;
  record: CreatorRecord;
  isReady: boolean;
}

export interface StandbyStats {
  now: number;
  taken: number;
  /** Became the session of this worker. */
  adopted: number;
  /** Given up, because it could not receive the room, or was not needed. */
  dropped: number;
}

/**
 * The taking side of planned hand-overs: takes offers, opens a connection of its own for each, and claims the leases when
 * their holders let go or die.
 */
export class Standbys {
  private readonly entries = new Map<string, Entry>();
  private readonly pool = { bytes: 0 };
  private readonly bell: Bell;
  private readonly stopping = new AbortController();
  private driving: Promise<void> | undefined;
  private readonly totals = { taken: 0, adopted: 0, dropped: 0 };

  constructor(private readonly options: StandbysOptions) {
    this.bell = new Bell(options.services.clock);
  }

  get size(): number {
    return this.entries.size;
  }

  has(creatorId: string): boolean {
    return this.entries.has(creatorId);
  }

  stats(): StandbyStats {
    return { now: this.size, ...this.totals };
  }

  /** Something changed on the board. */
  wake(): void {
    this.bell.ring();
  }

  /**
   * Takes up to `max` offers, as far as the sign budget goes: of workers that only want to hold less, while half of it is
   * left and nobody waits. Returns how many it took.
   */
  async take(max: number): Promise<number> {
    const { offers, services } = this.options;
    const { free, usedInWindow } = services.signs.queue;
    if (this.stopping.signal.aborted) return 0;
    const most = Math.min(max, free);
    if (most <= 0) return 0;
    const taken = await offers.take(most, free > usedInWindow && services.signs.queue.waiting === 0);
    const strange = taken.filter((offer) => !this.begin(offer));
    // One that stops leaves them to others.
    if (strange.length > 0) await offers.answer(strange, this.stopping.signal.aborted ? 'open' : 'none');
    this.totals.taken += taken.length - strange.length;
    return taken.length - strange.length;
  }

  /** Gives every offer back for others to take, and lets go of all connections. A lease that came too late is released. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.bell.ring();
    await this.driving;
    const left = [...this.entries.values()];
    for (const { standby } of left) this.drop(standby);
    if (left.length === 0) return;
    const { offers, leases, services } = this.options;
    try {
      await offers.answer(
        left.map(({ standby }) => standby.offer),
        'open',
      );
      const given = await leases.claim(
        left.map(({ standby }) => standby.offer.creatorId),
        left.length,
      );
      await leases.release(given.map(({ creatorId }) => creatorId));
    } catch (error) {
      services.logger.debug({ reason: reasonOf(error), creators: left.length }, 'offers could not be given back; they end by themselves');
    }
  }

  private begin(offer: TakenOffer): boolean {
    const { services, run } = this.options;
    const record = this.options.record(offer.creatorId);
    if (!record || this.entries.has(offer.creatorId) || this.stopping.signal.aborted) return false;
    const standby = new Standby({ services, record, offer, run, pool: this.pool });
    const entry: Entry = { standby, record, isReady: false };
    this.entries.set(offer.creatorId, entry);
    void this.open(entry);
    this.driving ??= this.drive().finally(() => (this.driving = undefined));
    return true;
  }

  private async open(entry: Entry): Promise<void> {
    const { services, offers } = this.options;
    const { standby } = entry;
    const { offer } = standby;
    try {
      const problem = await standby.open(this.stopping.signal);
      if (this.entries.get(offer.creatorId) !== entry || this.stopping.signal.aborted) return;
      if (problem === undefined) {
        entry.isReady = true;
        await offers.answer([offer], 'ready');
      } else {
        services.logger.info({ creator: offer.creatorId, room: offer.roomId, problem }, 'cannot join a room that was offered');
        this.drop(standby);
        await offers.answer([offer], 'none');
      }
    } catch (error) {
      // Its holder waits for the word only so long, and the board is looked at again in a moment.
      services.logger.debug({ creator: offer.creatorId, reason: reasonOf(error) }, 'an offer could not be answered');
    }
  }

  private async drive(): Promise<void> {
    const { signal } = this.stopping;
    while (this.entries.size > 0 && !signal.aborted) {
      await this.round();
      await this.bell.wait(LOOK_MS, signal);
    }
  }

  private async round(): Promise<void> {
    const { offers, leases, services } = this.options;
    // Those that join while Redis answers are not judged by this answer.
    const entries = [...this.entries];
    let states: Map<string, OfferState> | undefined;
    try {
      // Before the claim: an offer that ended with the transfer of its lease must not end the standby.
      states = await offers.states(entries.map(([id]) => id));
    } catch (error) {
      services.logger.debug({ reason: reasonOf(error), creators: this.entries.size }, 'the offers cannot be read; standbys wait');
    }
    const ready = entries.filter(([, { isReady }]) => isReady).map(([id]) => id);
    for (const lease of await leases.claim(ready, ready.length)) this.adopt(lease);
    const now = services.clock.now();
    for (const [id, entry] of entries) {
      const { standby } = entry;
      if (this.entries.get(id) !== entry) continue;
      const state = states?.get(id);
      const isOurs = state?.fence === standby.offer.fence && state.taker === this.options.run;
      const isOld = now - standby.takenAt > standby.offer.standsMs + this.options.leaseTtlMs + PATIENCE_MS;
      const isEnded = entry.isReady && !standby.isOpen;
      // Its lease may have come already, and not be asked for yet.
      const isOver = states !== undefined && !isOurs && leases.mayClaim(id);
      if (isOld || isEnded || isOver) this.drop(standby);
      if (isEnded && isOurs) await this.refuse(standby);
    }
  }

  private adopt(lease: Lease): void {
    const entry = this.entries.get(lease.creatorId);
    if (!entry) return;
    this.entries.delete(lease.creatorId);
    this.totals.adopted += 1;
    this.options.onLease(lease, entry.standby);
  }

  private drop(standby: Standby): void {
    this.entries.delete(standby.offer.creatorId);
    this.totals.dropped += 1;
    standby.discard();
  }

  private async refuse({ offer }: Standby): Promise<void> {
    try {
      await this.options.offers.answer([offer], 'none');
    } catch (error) {
      this.options.services.logger.debug({ creator: offer.creatorId, reason: reasonOf(error) }, 'an offer could not be answered');
    }
  }
}
