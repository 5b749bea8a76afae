import { type Metrics, Problem } from '@tributary/runtime';
import { Gauge } from 'prom-client';

export interface FairQueueOptions {
  /** Pieces of work that run at a time, in all. */
  runningMax: number;
  /** Those of one tenant: a key, a kind of work of a key, or the process itself. 1 when absent. */
  perTenantRunningMax?: number;
  /** Pieces of work that wait at a time, in all. */
  waitingMax: number;
  /** What they are, for the client that is turned away; `queries` when absent. */
  what?: string;
}

/** Bounds of one piece of work. */
export interface FairWork {
  /** Pieces of its tenant that may wait, itself included. */
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
 * Runs few pieces of work at a time, few of each tenant, and lets the tenants take turns. However much work of one waits, another
 * waits for one piece of each tenant at most.
 */
export class FairQueue {
  /** Tenants whose work waits, the one whose turn is next first. */
  private readonly tenants = new Map<string, Waiting[]>();
  /** Pieces that run, by tenant. */
  private readonly busy = new Map<string, number>();
  private readonly perTenantRunningMax: number;
  private runningNow = 0;
  private waitingNow = 0;

  constructor(private readonly options: FairQueueOptions) {
    this.perTenantRunningMax = options.perTenantRunningMax ?? 1;
  }

  get running(): number {
    return this.runningNow;
  }

  get waiting(): number {
    return this.waitingNow;
  }

  /**
   * Runs `work` when its tenant's turn has come.
   * @throws as {@link enter}
   */
  async run<T>(tenant: string, bounds: FairWork, work: () => Promise<T>): Promise<T> {
    if (this.mayRun(tenant)) this.begin(tenant);
    else await this.turn(tenant, bounds);
    try {
      return await work();
    } finally {
      this.end(tenant);
    }
  }

  /**
   * Waits until the tenant's turn has come.
   * @returns ends the turn; only the first call counts
   * @throws Problem `rate-limited` (429) when too much of the tenant waits, `overloaded` (503) when too much waits in all or its turn does
   * not come in time; the reason of `signal` when that aborts before its turn.
   */
  async enter(tenant: string, bounds: FairWork): Promise<() => void> {
    if (this.mayRun(tenant)) this.begin(tenant);
    else await this.turn(tenant, bounds);
    let hasTurn = true;
    return () => {
      if (!hasTurn) return;
      hasTurn = false;
      this.end(tenant);
    };
  }

  private mayRun(tenant: string): boolean {
    return this.runningNow < this.options.runningMax && (this.busy.get(tenant) ?? 0) < this.perTenantRunningMax;
  }

  private begin(tenant: string): void {
    this.runningNow += 1;
    this.busy.set(tenant, (this.busy.get(tenant) ?? 0) + 1);
  }

  private end(tenant: string): void {
    this.runningNow -= 1;
    const left = (this.busy.get(tenant) ?? 1) - 1;
    if (left > 0) this.busy.set(tenant, left);
    else this.busy.delete(tenant);
    this.next();
  }

  private turn(tenant: string, { waitingMax, isAdmitted = false, waitMsMax, signal }: FairWork): Promise<void> {
    signal?.throwIfAborted();
    const line = this.tenants.get(tenant) ?? [];
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
        if (line.length === 0) this.tenants.delete(tenant);
        reject(reason);
      };
      const leave = () => remove(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
      const late = () => remove(turnedAway('overloaded', `the turn of one of the ${what} did not come in time`));
      const timer = waitMsMax === undefined ? undefined : setTimeout(late, waitMsMax);
      signal?.addEventListener('abort', leave, { once: true });
      line.push(entry);
      this.tenants.set(tenant, line);
      this.waitingNow += 1;
    });
  }

  /** Gives the free place to the first tenant in turn that may run more; it goes to the end of the turns. */
  private next(): void {
    for (const [tenant, line] of this.tenants) {
      if (!this.mayRun(tenant)) continue;
      const entry = line.shift();
      this.tenants.delete(tenant);
      if (line.length > 0) this.tenants.set(tenant, line);
      if (!entry) continue;
      this.begin(tenant);
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
