import type { BundleQuery, BundleResult, RoomIdResult, Signer } from '@tributary/signing';
import type { Clock } from './clock.js';
import { type Ticket, TurnQueue } from './turn-queue.js';

/** Sign calls under way at the same time. */
const RUNNING_MAX = 32;
/** Rest after a rate limit that says no time. */
const LIMITED_MS = 10_000;

/** Every sign call of a worker goes through here: a cap per minute, reconnects first, and a rest when the signer asks for one. */
export class SignDesk {
  readonly queue: TurnQueue;
  private readonly signer: Signer;
  private readonly clock: Clock;

  constructor({ signer, perMinuteMax, clock }: { signer: Signer; perMinuteMax: number; clock: Clock }) {
    this.signer = signer;
    this.clock = clock;
    this.queue = new TurnQueue({ perWindowMax: perMinuteMax, windowMs: 60_000, runningMax: RUNNING_MAX, clock });
  }

  /** Waits for its turn and signs; undefined when `signal` aborts. `onTicket` gets the place in the queue to show. */
  async sign(
    query: BundleQuery,
    urgent: boolean,
    signal: AbortSignal,
    onTicket: (ticket: Ticket) => void,
  ): Promise<BundleResult | undefined> {
    const ticket = this.queue.enter(urgent, signal);
    onTicket(ticket);
    if (!(await ticket.turn)) return undefined;
    try {
      const result = await this.signer.fetchBundle(query, signal);
      if (signal.aborted) return undefined;
      if (!result.ok && result.reason === 'rate-limited') this.queue.holdUntil(this.clock.now() + (result.retryAfterMs ?? LIMITED_MS));
      return result;
    } finally {
      ticket.done();
    }
  }

  /** Asks for a room only where the budget has a turn at once: polling must not eat what connections need. */
  async roomId(uniqueId: string, signal: AbortSignal): Promise<RoomIdResult> {
    const gaveUp = new AbortController();
    const ticket = this.queue.enter(false, AbortSignal.any([signal, gaveUp.signal]));
    if (ticket.place() > 0) gaveUp.abort();
    if (!(await ticket.turn)) return { ok: false, reason: 'rate-limited', message: 'the sign budget of this worker has no turn free' };
    try {
      return await this.signer.roomId(uniqueId, signal);
    } finally {
      ticket.done();
    }
  }
}
