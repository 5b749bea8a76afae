import type { CreatorRecord, OpenedSecrets } from '@tributary/creators';
import { backoffMs } from '@tributary/runtime/backoff';
import { type ConnectBundle, cookiePairs, type RoomIdResult, type SignFailure, type Signer } from '@tributary/signing';
import type { Clock } from '../pacing/clock.js';
import { type Ticket, TurnQueue } from '../pacing/rate-limited-queue.js';

/** Sign calls under way at the same time. */
const RUNNING_MAX = 32;
/** Rest after a rate limit that says no time. */
const LIMITED_MS = 10_000;
/** So many creators in a row that get no answer mean that the signer is away. */
const AWAY_AFTER = 3;
/** Between two probes of a signer that is away, and before a creator stands in the queue again. */
const PROBE = { firstMs: 500, maxMs: 3_000 };
/** With a small budget the queue is hours long: between two looks at whether a room that waits in it is still there. */
const STILL_MS = 120_000;
/** Looks in a row that must say that it is gone. */
const GONE_LOOKS = 2;

/** A room to be signed for, and whose it is. */
export interface SignQuery {
  roomId: string;
  creator: Pick<CreatorRecord, 'id' | 'uniqueId' | 'options'>;
  /** The socket refused the last bundle: asks for one that nobody else was given. */
  fresh?: boolean;
}

/** All that one connection is pinned to: cookies (the creator's own session among them), user agent, and its proxy. */
export interface RoomBundle extends ConnectBundle {
  /** Address of the proxy that the socket goes through. */
  proxy?: string;
}

export type SignResult = { ok: true; bundle: RoomBundle } | SignFailure;

export interface SignDeskOptions {
  signer: Signer;
  perMinuteMax: number;
  clock: Clock;
  /** Session cookie and proxy of a creator, in clear. */
  secrets(creator: SignQuery['creator']): OpenedSecrets;
}

/** Every sign call of a worker goes through here: a cap per minute, reconnects first, and a rest when the signer asks for one. */
export class SignDesk {
  readonly queue: TurnQueue;
  private readonly clock: Clock;
  /** Creators without an answer since the last one that had any. */
  private readonly unanswered = new Set<string>();
  private probes = 0;

  constructor(private readonly options: SignDeskOptions) {
    const { clock, perMinuteMax } = options;
    this.clock = clock;
    this.queue = new TurnQueue({ perWindowMax: perMinuteMax, windowMs: 60_000, runningMax: RUNNING_MAX, clock });
  }

  /**
   * Waits for its turn and signs; undefined when `signal` aborts. `onTicket` gets the place in the queue to show. A room
   * that `isThere` says is gone while it waits leaves the queue as `offline`, without a sign call.
   */
  async sign(
    { roomId, creator, fresh }: SignQuery,
    urgent: boolean,
    signal: AbortSignal,
    onTicket: (ticket: Ticket) => void,
    isThere?: () => Promise<boolean>,
  ): Promise<SignResult | undefined> {
    const opened = this.options.secrets(creator);
    // Without its proxy or its session it would be seen as somebody else.
    if (!opened.ok) return { ok: false, reason: 'unavailable', message: opened.message };
    const { sessionCookie, proxy } = opened.secrets;
    const ticket = this.queue.enter(urgent, signal);
    onTicket(ticket);
    if (isThere && ticket.place() > 0) void this.watch(ticket, isThere);
    if (!(await ticket.turn)) {
      if (signal.aborted) return undefined;
      return { ok: false, reason: 'offline', message: 'the room ended while it waited for its turn' };
    }
    try {
      const query = { roomId, uniqueId: creator.uniqueId, cookies: sessionCookie, fresh };
      const result = await this.options.signer.fetchBundle(query, signal);
      if (signal.aborted) return undefined;
      if (!result.ok && result.reason === 'rate-limited') this.queue.holdUntil(this.clock.now() + (result.retryAfterMs ?? LIMITED_MS));
      if (!result.ok) return this.judge(creator.id, result);
      this.answers();
      const { bundle } = result;
      // What the signer was given last wins: its ttwid belongs to the signature.
      const cookies = sessionCookie === undefined ? bundle.cookies : cookiePairs(sessionCookie, bundle.cookies);
      return { ok: true, bundle: { ...bundle, cookies, ...(proxy === undefined ? {} : { proxy }) } };
    } finally {
      ticket.done();
    }
  }

  /**
   * A signer that is away is asked by one at a time; the others wait in the queue, not each by a backoff of its own, and
   * go on as soon as it answers. Nor does an outage use up the budget.
   */
  private judge(creatorId: string, failure: SignFailure): SignFailure {
    if (failure.reason !== 'unavailable' && failure.reason !== 'timeout') {
      this.answers();
      return failure;
    }
    this.unanswered.add(creatorId);
    if (this.unanswered.size < AWAY_AFTER) return failure;
    this.queue.doubt(this.clock.now() + backoffMs(this.probes, PROBE));
    this.probes += 1;
    return { ...failure, retryAfterMs: failure.retryAfterMs ?? backoffMs(0, PROBE) };
  }

  private answers(): void {
    this.unanswered.clear();
    this.probes = 0;
    this.queue.trust();
  }

  /** Asks for a room only where the budget has a turn at once: polling must not eat what connections need. */
  async roomId(uniqueId: string, signal: AbortSignal): Promise<RoomIdResult> {
    const ticket = this.queue.enter(false, signal);
    if (ticket.place() > 0) ticket.leave();
    if (!(await ticket.turn)) return { ok: false, reason: 'rate-limited', message: 'the sign budget of this worker has no turn free' };
    try {
      return await this.options.signer.roomId(uniqueId, signal);
    } finally {
      ticket.done();
    }
  }

  /** Lets a ticket go whose room has ended. */
  private async watch(ticket: Ticket, isThere: () => Promise<boolean>): Promise<void> {
    const over = new AbortController();
    void ticket.turn.then(() => over.abort());
    for (let gone = 0; gone < GONE_LOOKS;) {
      if (!(await this.clock.sleep(STILL_MS * (0.75 + 0.5 * Math.random()), over.signal))) return;
      gone = (await isThere()) ? 0 : gone + 1;
    }
    ticket.leave();
  }
}
