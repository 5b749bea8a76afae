import type { Clock } from './clock.js';

/** However often it is rung, a loop that waits on it runs no more often than this, in ms. */
const REST_MS = 10;

/** Wakes one loop before its time. Rung while nobody waits, it ends the next wait. */
export class Bell {
  private isRung = false;
  private waiting: AbortController | undefined;

  constructor(private readonly clock: Clock) {}

  ring(): void {
    this.isRung = true;
    this.waiting?.abort();
  }

  /** Resolves after `ms`, when it is rung, or when `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const end = () => waiting.abort();
    signal.addEventListener('abort', end, { once: true });
    await this.clock.sleep(REST_MS, signal);
    this.waiting = waiting;
    if (!this.isRung) await this.clock.sleep(ms - REST_MS, waiting.signal);
    this.waiting = undefined;
    this.isRung = false;
    signal.removeEventListener('abort', end);
  }
}
