import { Problem } from '@tributary/runtime';

export interface FairQueueOptions {
  /** Pieces of work that run at a time, in all. */
  runningMax: number;
  /** Pieces of work that wait at a time, in all. */
  waitingMax: number;
}

/** Bounds of one piece of work. */
export interface FairWork {
  /** Pieces that may wait in its lane, itself included. */
  waitingMax: number;
  /** It waits no longer than this. */
  waitMsMax?: number;
  /** It leaves the queue when this aborts. */
  signal?: AbortSignal;
}

interface Waiting {
  start(): void;
}

/**
 * Runs few pieces of work at a time, one of each lane at most, and lets the lanes take turns: however many wait in one,
 * another waits for one piece of each lane at most.
 */
export class FairQueue {
  /** Lanes in which work waits, the one whose turn is next first. */
  private readonly lanes = new Map<string, Waiting[]>();
  private readonly busy = new Set<string>();
  private waitingNow = 0;

  constructor(private readonly options: FairQueueOptions) {}

  get running(): number {
    return this.busy.size;
  }

  get waiting(): number {
    return this.waitingNow;
  }

  /**
   * Runs `work` when its lane's turn has come.
   * @throws Problem 429 when too much waits in the lane, 503 when too much waits in all or its turn does not come in time;
   * the reason of `signal` when that aborts before its turn.
   */
  async run<T>(lane: string, bounds: FairWork, work: () => Promise<T>): Promise<T> {
    if (this.busy.has(lane) || this.busy.size >= this.options.runningMax) await this.turn(lane, bounds);
    else this.busy.add(lane);
    try {
      return await work();
    } finally {
      this.busy.delete(lane);
      this.next();
    }
  }

  private turn(lane: string, { waitingMax, waitMsMax, signal }: FairWork): Promise<void> {
    signal?.throwIfAborted();
    const line = this.lanes.get(lane) ?? [];
    if (line.length >= waitingMax) throw busy(429, 'this key has as many searches waiting as it may');
    if (this.waitingNow >= this.options.waitingMax) throw busy(503, 'too many searches are waiting');
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', leave);
        this.waitingNow -= 1;
      };
      const entry = {
        start: () => {
          settle();
          resolve();
        },
      };
      const remove = (reason: Error) => {
        settle();
        line.splice(line.indexOf(entry), 1);
        if (line.length === 0) this.lanes.delete(lane);
        reject(reason);
      };
      const leave = () => remove(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
      const timer =
        waitMsMax === undefined
          ? undefined
          : setTimeout(() => remove(busy(503, 'the turn of this search did not come in time')), waitMsMax);
      signal?.addEventListener('abort', leave, { once: true });
      line.push(entry);
      this.lanes.set(lane, line);
      this.waitingNow += 1;
    });
  }

  /** Gives the free place to the first lane in turn that runs nothing; it goes to the end of the turns. */
  private next(): void {
    for (const [lane, line] of this.lanes) {
      if (this.busy.size >= this.options.runningMax) return;
      if (this.busy.has(lane)) continue;
      const entry = line.shift();
      this.lanes.delete(lane);
      if (line.length > 0) this.lanes.set(lane, line);
      if (!entry) continue;
      this.busy.add(lane);
      entry.start();
      return;
    }
  }
}

function busy(status: 429 | 503, detail: string): Problem {
  return new Problem(status === 429 ? 'rate-limited' : 'unavailable', detail, { headers: { 'retry-after': '5' } });
}
