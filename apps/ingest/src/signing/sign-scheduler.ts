import type { CreatorRecord, OpenedSecrets } from '@tributary/creators';
import { backoffMs } from '@tributary/runtime/backoff';
import { type ConnectBundle, cookiePairs, type RoomIdResult, type SignFailure, type Signer } from '@tributary/signing';
import type { Clock } from '../pacing/clock.js';
import { RateLimitedQueue, type Ticket } from '../pacing/rate-limited-queue.js';

/** Sign calls under way at the same time. */
const RUNNING_MAX = 32;
/** Pause after a rate limit that names no time. */
const LIMITED_MS = 10_000;
/** So many creators in a row without an answer mean that the signer is down. */
const DOWN_AFTER = 3;
/** Between two probes of a signer that is down, and before a creator joins the queue again. */
const PROBE = { firstMs: 500, maxMs: 3_000 };
/** With a small budget the queue is hours long. Between two checks that a waiting room is still on air. */
const ROOM_CHECK_MS = 120_000;
/** Checks in a row that must find the room gone. */
const GONE_CHECKS = 2;

/** A room to be signed for, and whose it is. */
export interface SignQuery {
  roomId: string;
  creator: Pick<CreatorRecord, 'id' | 'uniqueId' | 'options'>;
  /** The socket refused the last bundle: asks for one that no other connection has used. */
  fresh?: boolean;
}

/** What one connection uses for its whole life: cookies (the creator's own session among them), user agent, and its proxy. */
export interface RoomBundle extends ConnectBundle {
  /** Address of the proxy that the socket goes through. */
  proxy?: string;
}

export type SignResult = { ok: true; bundle: RoomBundle } | SignFailure;

export interface SignSchedulerOptions {
  signer: Signer;
  perMinuteMax: number;
  clock: Clock;
  /** Session cookie and proxy of a creator, in clear. */
  secrets(creator: SignQuery['creator']): OpenedSecrets;
}

/** Makes all sign calls of a worker: within a budget per minute, reconnects first, paused when the signer asks for it. */
export class SignScheduler {
  readonly queue: RateLimitedQueue;
  private readonly clock: Clock;
  /** Creators whose calls failed since the last call that was answered. */
  private readonly unanswered = new Set<string>();
  private probes = 0;

  constructor(private readonly options: SignSchedulerOptions) {
    const { clock, perMinuteMax } = options;
    this.clock = clock;
    this.queue = new RateLimitedQueue({ perWindowMax: perMinuteMax, windowMs: 60_000, runningMax: RUNNING_MAX, clock });
  }

  /**
   * Waits in the queue and signs; undefined when `signal` aborts. `onTicket` receives the place in the queue. A waiting room
   * that `isOnAir` finds gone leaves the queue as `offline`, without a sign call.
   */
  async sign(
    { roomId, creator, fresh }: SignQuery,
    urgent: boolean,
    signal: AbortSignal,
    onTicket: (ticket: Ticket) => void,
    isOnAir?: () => Promise<boolean>,
  ): Promise<SignResult | undefined> {
    const opened = this.options.secrets(creator);
    // Without its proxy or session TikTok would see another viewer.
    if (!opened.ok) return { ok: false, reason: 'unavailable', message: opened.message };
    const { sessionCookie, proxy } = opened.secrets;
    const ticket = this.queue.enqueue(urgent, signal);
    onTicket(ticket);
    if (isOnAir && ticket.place() > 0) void this.cancelWhenGone(ticket, isOnAir);
    if (!(await ticket.started)) {
      if (signal.aborted) return undefined;
      return { ok: false, reason: 'offline', message: 'the room ended while it waited for a sign call' };
    }
    try {
      const query = { roomId, uniqueId: creator.uniqueId, cookies: sessionCookie, fresh };
      const result = await this.options.signer.fetchBundle(query, signal);
      if (signal.aborted) return undefined;
      if (!result.ok && result.reason === 'rate-limited') this.queue.holdUntil(this.clock.now() + (result.retryAfterMs ?? LIMITED_MS));
      if (!result.ok) return this.noteFailure(creator.id, result);
      this.noteAnswer();
      const { bundle } = result;
      // The signer's cookies override the session's: its ttwid belongs to the signature.
      const cookies = sessionCookie === undefined ? bundle.cookies : cookiePairs(sessionCookie, bundle.cookies);
      return { ok: true, bundle: { ...bundle, cookies, ...(proxy === undefined ? {} : { proxy }) } };
    } finally {
      ticket.release();
    }
  }

  /** Looks up a room only where the budget is free at once: polling must not use up what connections need. */
  async roomId(uniqueId: string, signal: AbortSignal): Promise<RoomIdResult> {
    const ticket = this.queue.enqueue(false, signal);
    if (ticket.place() > 0) ticket.cancel();
    if (!(await ticket.started)) return { ok: false, reason: 'rate-limited', message: 'the sign budget of this worker is used up' };
    try {
      return await this.options.signer.roomId(uniqueId, signal);
    } finally {
      ticket.release();
    }
  }

  /**
   * A signer that is down gets one probe at a time. All other rooms wait in the queue, not each in a backoff of its own,
   * and start as soon as it answers. So an outage does not use up the budget.
   */
  private noteFailure(creatorId: string, failure: SignFailure): SignFailure {
    if (failure.reason !== 'unavailable' && failure.reason !== 'timeout') {
      this.noteAnswer();
      return failure;
    }
    this.unanswered.add(creatorId);
    if (this.unanswered.size < DOWN_AFTER) return failure;
    this.queue.probeOnly(this.clock.now() + backoffMs(this.probes, PROBE));
    this.probes += 1;
    return { ...failure, retryAfterMs: failure.retryAfterMs ?? backoffMs(0, PROBE) };
  }

  private noteAnswer(): void {
    this.unanswered.clear();
    this.probes = 0;
    this.queue.resume();
  }

  private async cancelWhenGone(ticket: Ticket, isOnAir: () => Promise<boolean>): Promise<void> {
    const over = new AbortController();
    void ticket.started.then(() => over.abort());
    for (let gone = 0; gone < GONE_CHECKS;) {
      if (!(await this.clock.sleep(ROOM_CHECK_MS * (0.75 + 0.5 * Math.random()), over.signal))) return;
      gone = (await isOnAir()) ? 0 : gone + 1;
    }
    ticket.cancel();
  }
}
