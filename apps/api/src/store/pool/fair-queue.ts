import { type Metrics, Problem } from '@tributary/runtime';
import { Gauge } from 'prom-client';

export interface FairQueueOptions {
  /** Pieces of work that run at a time, in all. */
  runningMax: number;
  /** Those of one lane; 1 when absent. */
  laneRunningMax?: number;
  /** Pieces of work that wait at a time, in all. */
  waitingMax: number;
  /** What they are, for the client that is turned away; `queries` when absent. */
  what?: string;
}

/** Bounds of one piece of work. */
export interface FairWork {
  /** Pieces that may wait in its lane, itself included. */
  waitingMax: number;
  /** Part of something that has begun: it is not turned away for the number of those that wait. */
  isAdmitted?: boolean;
  /** It waits no longer than this. */
  waitMsMax?: number;
  /** It leaves the queue when this aborts. */
  signal?: AbortSignal;
}

interface Waiting {
  start(): void;
}

/**
 * Runs few pieces of work at a time, few of each lane, and lets the lanes take turns: however many wait in one, another waits for
 * one piece of each lane at most.
 */
export class FairQueue {
  /** Lanes in which work waits, the one whose turn is next first. */
  private readonly lanes = new Map<string, Waiting[]>();
  /** Pieces that run, by lane. */
  private readonly busy = new Map<string, number>();
  private readonly laneRunningMax: number;
  private runningNow = 0;
  private waitingNow = 0;

  constructor(private readonly options: FairQueueOptions) {
    this.laneRunningMax = options.laneRunningMax ?? 1;
  }

  get running(): number {
    return this.runningNow;
  }

  get waiting(): number {
    return this.waitingNow;
  }

  /**
   * Runs `work` when its lane's turn has come.
   * @throws as {@link enter}
   */
  async run<T>(lane: string, bounds: FairWork, work: () => Promise<T>): Promise<T> {
    if (this.mayRun(lane)) this.begin(lane);
    else await this.turn(lane, bounds);
    try {
      return await work();
    } finally {
      this.end(lane);
    }
  }

  /**
   * Waits until the lane's turn has come.
   * @returns ends the turn; only the first call counts
   * @throws Problem `rate-limited` (429) when too much waits in the lane, `overloaded` (503) when too much waits in all or its turn does
   * not come in time; the reason of `signal` when that aborts before its turn.
   */
  async enter(lane: string, bounds: FairWork): Promise<() => void> {
    if (this.mayRun(lane)) this.begin(lane);
    else await this.turn(lane, bounds);
    let hasTurn = true;
    return () => {
      if (!hasTurn) return;
      hasTurn = false;
      this.end(lane);
    };
  }

  private mayRun(lane: string): boolean {
    return this.runningNow < this.options.runningMax && (this.busy.get(lane) ?? 0) < this.laneRunningMax;
  }

  private begin(lane: string): void {
    this.runningNow += 1;
    this.busy.set(lane, (this.busy.get(lane) ?? 0) + 1);
  }

  private end(lane: string): void {
    this.runningNow -= 1;
    const left = (this.busy.get(lane) ?? 1) - 1;
    if (left > 0) this.busy.set(lane, left);
    else this.busy.delete(lane);
    this.next();
  }

  private turn(lane: string, { waitingMax, isAdmitted = false, waitMsMax, signal }: FairWork): Promise<void> {
    signal?.throwIfAborted();
    const line = this.lanes.get(lane) ?? [];
    const { what = 'queries' } = this.options;
    if (!isAdmitted) {
      if (line.length >= waitingMax) throw turnedAway('rate-limited', `this key has as many ${what} waiting as it may: ${waitingMax}`);
      if (this.waitingNow >= this.options.waitingMax) throw turnedAway('overloaded', `too many ${what} are waiting`);
    }
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
      const late = () => remove(turnedAway('overloaded', `the turn of one of the ${what} did not come in time`));
      const timer = waitMsMax === undefined ? undefined : setTimeout(late, waitMsMax);
      signal?.addEventListener('abort', leave, { once: true });
      line.push(entry);
      this.lanes.set(lane, line);
      this.waitingNow += 1;
    });
  }

  /** Gives the free place to the first lane in turn that may run more; it goes to the end of the turns. */
  private next(): void {
    for (const [lane, line] of this.lanes) {
      if (!this.mayRun(lane)) continue;
      const entry = line.shift();
      this.lanes.delete(lane);
      if (line.length > 0) this.lanes.set(lane, line);
      if (!entry) continue;
      this.begin(lane);
      entry.start();
      return;
    }
  }
}

/** Metrics `tributary_<what>_running` and `tributary_<what>_waiting` of a queue. */
export function measureQueue(queue: FairQueue, metrics: Metrics, what: string, help: string): void {
  for (const state of ['running', 'waiting'] as const) {
    new Gauge({
      name: `tributary_${what}_${state}`,
      help: `${help}: ${state === 'running' ? 'under way' : 'those that wait for their turn'}`,
      registers: [metrics],
      collect() {
        this.set(queue[state]);
      },
    });
  }
}

function turnedAway(code: 'rate-limited' | 'overloaded', detail: string): Problem {
  return new Problem(code, detail, { headers: { 'retry-after': '5' } });
}
