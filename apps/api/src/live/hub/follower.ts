import type { StoredEvent } from '@tributary/events';
import type { EventFilter } from '../../filter/filter.js';

/** A step of a follower: matching events, and the position up to which everything was looked at. */
export interface LiveBatch {
  events: StoredEvent[];
  seq: number;
  /** What `seq` is a number of. A follower that outlives a generation gets an empty step in the next. */
  generation: number;
}

/** A live reader's place in the log. It is iterated once. */
export class Follower implements AsyncIterable<LiveBatch> {
  private resume: ((batch: LiveBatch | undefined) => void) | undefined;
  private readonly steps: AsyncGenerator<LiveBatch>;
  /** Everything up to here was given. */
  position: number;
  /** What `position` is a number of. */
  generation: number;

  /**
   * @param from everything up to here was given
   * @param steps what it gives
   */
  constructor(
    readonly filter: EventFilter,
    readonly signal: AbortSignal,
    from: { generation: number; seq: number },
    private readonly head: () => number,
    steps: (follower: Follower) => AsyncGenerator<LiveBatch>,
  ) {
    this.position = from.seq;
    this.generation = from.generation;
    this.steps = steps(this);
  }

  [Symbol.asyncIterator](): AsyncGenerator<LiveBatch> {
    return this.steps;
  }

  next(): Promise<IteratorResult<LiveBatch>> {
    return this.steps.next();
  }

  /** It has caught up, and waits for an event that it wants. */
  get isWaiting(): boolean {
    return this.resume !== undefined;
  }

  /** While it waits: the head of the log, up to which there was nothing for it. */
  get waitsAt(): number | undefined {
    return this.isWaiting ? this.head() : undefined;
  }

  /** Waits for {@link wake}; undefined where it has to look for itself. */
  wait(): Promise<LiveBatch | undefined> {
    const { signal } = this;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(undefined);
      const abort = () => this.wake();
      this.resume = (batch) => {
        this.resume = undefined;
        signal.removeEventListener('abort', abort);
        resolve(batch);
      };
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  /** Ends its waiting: with what it waits for, or to look for itself from where it is. */
  wake(batch?: LiveBatch): void {
    if (batch) this.position = batch.seq;
    this.resume?.(batch);
  }
}
