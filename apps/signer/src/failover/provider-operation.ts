import type { Logger, Semaphore } from '@tributary/runtime';
import { Breaker, type BreakerOptions, type Permit } from './breaker.js';
import type { SignMetrics } from './sign-metrics.js';
import type { ProviderOptions } from '../providers/options.js';
import {
  type FailureReason,
  isProviderFault,
  mayBeTheRoom,
  type Operation,
  type Outcome,
  type ProviderName,
  type SignProvider,
} from '../providers/provider.js';
import { admit, RoomBreakers } from './room-breakers.js';
import { type ProviderOperationReport, AttemptStatistics } from './attempt-statistics.js';

/** One provider's part in a request. `skipped`: it was not asked, and `reason` says why. */
export interface Attempt {
  provider: ProviderName;
  reason: FailureReason | 'ok';
  durationMs: number;
  message: string;
  skipped: boolean;
  retryAfterMs?: number;
}

export interface ProviderOperationOptions {
  provider: SignProvider;
  operation: Operation;
  options: ProviderOptions;
  /** Bounds the requests of this provider, over all its operations. */
  semaphore: Semaphore;
  breaker: Omit<BreakerOptions, 'now'>;
  roomBreaker: Omit<BreakerOptions, 'now'> & { roomsMax: number };
  metrics: SignMetrics;
  logger: Logger;
}

type Call<T> = (signal: AbortSignal) => Promise<Outcome<T>>;

/** Wait for clients while the provider's queue is full, in ms. */
const BUSY_RETRY_MS = 1_000;

/** One provider in one operation, with its breakers, concurrency limit and figures. */
export class ProviderOperation {
  readonly breaker: Breaker;
  private readonly rooms: RoomBreakers;
  private readonly statistics = new AttemptStatistics();

  constructor(private readonly o: ProviderOperationOptions) {
    this.breaker = new Breaker(o.breaker);
    this.rooms = new RoomBreakers(o.roomBreaker);
  }

  get provider(): SignProvider {
    return this.o.provider;
  }

  get operation(): Operation {
    return this.o.operation;
  }

  get options(): ProviderOptions {
    return this.o.options;
  }

  report(): ProviderOperationReport {
    const { breaker } = this;
    return {
      breaker: { state: breaker.state, openForMs: breaker.openForMs, reason: breaker.lastReason ?? null },
      rooms: this.rooms.state,
      ...this.statistics.report(),
    };
  }

  reset(): void {
    this.breaker.reset();
    this.rooms.reset();
  }

  /** Calls the provider once, unless a breaker or its queue forbids it. A failure counts against the provider or against the room. */
  async attempt<T>(
    room: string | undefined,
    timeoutMs: number,
    signal: AbortSignal,
    call: Call<T>,
  ): Promise<{ attempt: Attempt; value?: T }> {
    const admission = admit(this.breaker, room === undefined ? undefined : this.rooms.of(room));
    if (!admission.ok) {
      const reason = admission.by.lastReason ?? 'connect';
      const what = admission.about === 'room' ? 'is leaving this room alone' : 'is resting';
      return { attempt: this.skip(reason, `${this.provider.name} ${what} after failures (${reason})`, admission.by.openForMs) };
    }
    try {
      const { outcome, durationMs } = await this.timed(timeoutMs, signal, call);
      return this.settle(outcome, durationMs, signal, admission.provider, admission.room, admission.roomSuspect);
    } finally {
      if (room !== undefined) this.rooms.forgetIfHealthy(room);
    }
  }

  private settle<T>(
    outcome: Outcome<T>,
    durationMs: number,
    signal: AbortSignal,
    candidate: Permit,
    room: Permit | undefined,
    roomSuspect: boolean,
  ): { attempt: Attempt; value?: T } {
    const { name } = this.provider;
    const reason = outcome.ok ? 'ok' : outcome.reason;
    const message = outcome.ok ? '' : outcome.message;
    const attempt: Attempt = { provider: name, reason, durationMs, message, skipped: reason === 'busy' };
    const abandon = () => {
      candidate.abandoned();
      room?.abandoned();
    };
    // A client that hung up says nothing about the provider.
    if (signal.aborted && !outcome.ok) {
      abandon();
      return { attempt };
    }
    this.statistics.add({ at: Date.now(), durationMs, reason }, message);
    this.o.metrics.attempted(name, this.operation, reason, durationMs);
    if (outcome.ok) {
      candidate.succeeded();
      room?.succeeded();
      return { attempt, value: outcome.value };
    }
    const { retryAfterMs } = outcome;
    if (!isProviderFault(outcome.reason)) abandon();
    else {
      const aboutRoom = mayBeTheRoom(outcome.reason);
      if (aboutRoom) room?.failed(outcome.reason);
      else room?.abandoned();
      // Failures of a room that is known to fail do not count against the provider.
      if (aboutRoom && roomSuspect) candidate.abandoned();
      else candidate.failed(outcome.reason, retryAfterMs);
    }
    return { attempt: retryAfterMs === undefined ? attempt : { ...attempt, retryAfterMs } };
  }

  private skip(reason: FailureReason, message: string, retryAfterMs: number): Attempt {
    return { provider: this.provider.name, reason, durationMs: 0, message, skipped: true, retryAfterMs };
  }

  /** Runs one call within a time limit that includes its wait in the queue. A provider that ignores its signal is not waited for. */
  private async timed<T>(timeoutMs: number, signal: AbortSignal, call: Call<T>): Promise<{ outcome: Outcome<T>; durationMs: number }> {
    const startedAt = performance.now();
    const durationMs = () => Math.round(performance.now() - startedAt);
    const ended = new AbortController();
    const end = () => ended.abort();
    const late = new Promise<Outcome<T>>((resolve) => {
      const giveUp = () => resolve({ ok: false, reason: 'timeout', message: `no answer within ${Math.round(timeoutMs)} ms` });
      ended.signal.addEventListener('abort', giveUp, { once: true });
    });
    const timer = setTimeout(end, timeoutMs);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    let release: (() => void) | undefined;
    try {
      const permit = await this.o.semaphore.acquire(ended.signal);
      if (typeof permit !== 'function') {
        const message =
          permit === 'full'
            ? 'too many requests wait for this provider'
            : `all requests of this provider stayed busy for ${Math.round(timeoutMs)} ms`;
        return { outcome: { ok: false, reason: 'busy', message, retryAfterMs: BUSY_RETRY_MS }, durationMs: durationMs() };
      }
      release = permit;
      return { outcome: await Promise.race([call(ended.signal), late]), durationMs: durationMs() };
    } catch (error) {
      this.o.logger.error({ err: error, provider: this.provider.name }, 'a provider threw; this is a bug');
      return { outcome: { ok: false, reason: 'crash', message: 'the provider failed unexpectedly' }, durationMs: durationMs() };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      release?.();
    }
  }
}
