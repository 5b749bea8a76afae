import { pause } from './backoff.js';

export interface WakeSignalOptions {
  /** Resolves true after `ms`, false when `signal` aborts; `pause` unless a test brings its own clock. */
  sleep?: (ms: number, signal: AbortSignal) => Promise<boolean>;
  /** A loop that waits on this signal runs no more often than this, however often it is notified. */
  restMs?: number;
}

/** Wakes one waiting loop before its time. A notification that comes while nobody waits ends the next wait. */
export class WakeSignal {
  private isNotified = false;
  private waiting: AbortController | undefined;

  constructor(private readonly options: WakeSignalOptions = {}) {}

  notify(): void {
    this.isNotified = true;
    this.waiting?.abort();
  }

  /** Resolves after `ms`, at a notification, or when `signal` aborts. One loop at a time may wait. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const { sleep = pause, restMs = 0 } = this.options;
    const waiting = new AbortController();
    const end = () => waiting.abort();
    signal.addEventListener('abort', end, { once: true });
    if (restMs > 0) await sleep(restMs, signal);
    this.waiting = waiting;
    if (!this.isNotified) await sleep(signal.aborted ? 0 : ms - restMs, waiting.signal);
    this.waiting = undefined;
    this.isNotified = false;
    signal.removeEventListener('abort', end);
  }
}
