import type { ResolveResult } from '@tributary/webcast';
import type { Clock } from './clock.js';
import { TurnQueue } from './turn-queue.js';

/** Polls under way at the same time. */
const RUNNING_MAX = 16;
/** So many different creators refused in a row mean that this address is blocked, not they. */
const REFUSED_IN_A_ROW = 3;
/** Rest of a blocked address when it is told no time; doubled while it stays blocked. Blocks of 10 minutes to 5 hours were seen. */
const BLOCK_FIRST_MS = 60_000;
const BLOCK_MS_MAX = 1_800_000;

/** What finds rooms. */
export interface Resolver {
  resolve(uniqueId: string, signal: AbortSignal): Promise<ResolveResult>;
}

/**
 * Every liveness poll of a worker goes through here: paced, as TikTok blocks an address that asks too often, and all of
 * them at rest while the address is blocked.
 */
export class PollDesk {
  readonly queue: TurnQueue;
  private readonly resolver: Resolver;
  private readonly clock: Clock;
  private readonly refused = new Set<string>();
  private blocks = 0;
  private blockedUntil = 0;
  private blockStatus = 403;

  constructor({ resolver, perSecondMax, clock }: { resolver: Resolver; perSecondMax: number; clock: Clock }) {
    this.resolver = resolver;
    this.clock = clock;
    this.queue = new TurnQueue({ perWindowMax: perSecondMax, windowMs: 1_000, runningMax: RUNNING_MAX, clock });
  }

  /** ms since 1970 until when this address rests; in the past when it does not. */
  get restsUntil(): number {
    return this.blockedUntil;
  }

  /** Waits for its turn and asks; undefined when `signal` aborts. Answers `blocked` without asking while the address rests. */
  async poll(uniqueId: string, urgent: boolean, signal: AbortSignal): Promise<ResolveResult | undefined> {
    const resting = this.rest();
    if (resting) return resting;
    const ticket = this.queue.enter(urgent, signal);
    if (!(await ticket.turn)) return undefined;
    try {
      const restingNow = this.rest();
      if (restingNow) return restingNow;
      const result = await this.resolver.resolve(uniqueId, signal);
      if (signal.aborted) return undefined;
      this.learn(uniqueId, result);
      return result;
    } finally {
      ticket.done();
    }
  }

  private rest(): ResolveResult | undefined {
    const retryAfterMs = this.blockedUntil - this.clock.now();
    if (retryAfterMs <= 0) return undefined;
    return { kind: 'blocked', status: this.blockStatus, retryAfterMs, errors: ['this address is blocked; no creator is asked for'] };
  }

  private learn(uniqueId: string, result: ResolveResult): void {
    if (result.kind !== 'blocked') {
      if (result.kind === 'failed') return;
      this.refused.clear();
      this.blocks = 0;
      return;
    }
    this.refused.add(uniqueId);
    if (this.refused.size < REFUSED_IN_A_ROW) return;
    this.refused.clear();
    const restMs = result.retryAfterMs ?? Math.min(BLOCK_MS_MAX, BLOCK_FIRST_MS * 2 ** this.blocks);
    this.blocks = Math.min(this.blocks + 1, 20);
    this.blockStatus = result.status;
    this.blockedUntil = this.clock.now() + restMs;
  }
}
