import { Injectable } from '@nestjs/common';
import { Config, Problem, SharedSlots } from '@tributary/runtime';
import { StreamLimits } from './stream-limits.js';

/** Slots for live streams: bounded in all in this process, and for each key over all processes. */
@Injectable()
export class StreamSlots {
  /** Streams that are open, or about to be. */
  private admitted = 0;
  private isClosed = false;

  constructor(
    private readonly config: Config,
    private readonly limits: StreamLimits,
    private readonly slots: SharedSlots,
  ) {}

  /** Streams that one key has open here, or is about to have. */
  countOf(key: string): number {
    return this.slots.countOf(slotOwnerOf(key));
  }

  /**
   * Takes one of the slots that the key has over all processes.
   * @returns releases it: a part of what is served
   * @throws Problem 429 when the key or the process has as many streams as it may, 503 at shutdown.
   */
  async admit(key: string): Promise<() => void> {
    if (this.isClosed) throw new Problem('unavailable', 'this process stops', { headers: { 'retry-after': '1' } });
    const { streamsPerKeyMax } = this.config;
    const full = (bound: string) => new Problem('rate-limited', `${bound} streams open at a time`, { headers: { 'retry-after': '10' } });
    if (this.admitted >= this.limits.streamsMax) throw full(`this process may have ${this.limits.streamsMax}`);
    // Counted before Redis is asked: others may ask meanwhile.
    this.admitted += 1;
    const release = await this.slots.take(slotOwnerOf(key), streamsPerKeyMax);
    if (release) {
      return () => {
        this.admitted -= 1;
        release();
      };
    }
    this.admitted -= 1;
    throw full(`this key may have ${streamsPerKeyMax}`);
  }

  /** At shutdown: nobody is admitted any more. */
  close(): void {
    this.isClosed = true;
  }
}

/** The owner of a key's slots among those that all processes share. */
function slotOwnerOf(key: string): string {
  return `streams-${key}`;
}
