import pg from 'pg';
import { currentRequest } from '../access/request-context.js';
import { FairQueue } from '../store/pool/fair-queue.js';

/** One turn at a queue: which key asked, and when it was let in. */
export interface TurnRecord {
  queue: FairQueue;
  key: string;
  /** Turns that had begun by then, in all. */
  askedAt: number;
  /** Its number among the turns that have begun; undefined while it waits. */
  startedAt?: number;
  /** It was turned away, or has left. */
  isGone?: boolean;
}

/** Watches every turn and every statement of callers in this process, in the order in which they happen. */
export class TurnWatch {
  readonly turns: TurnRecord[] = [];
  /** Turns in the order in which they began. */
  readonly begun: TurnRecord[] = [];
  /** Statements and transactions that reached a pool, by key. */
  readonly statements = new Map<string, number>();
  private readonly undo: (() => void)[] = [];

  constructor() {
    const { turns, begun, statements } = this;
    const queues = FairQueue.prototype;
    const enter = queues.enter;
    queues.enter = async function (tenant, bounds) {
      const turn: TurnRecord = { queue: this, key: tenant.split(' ').at(-1) ?? tenant, askedAt: begun.length };
      turns.push(turn);
      const leave = await enter.call(this, tenant, bounds).catch((error: unknown) => {
        turn.isGone = true;
        throw error;
      });
      turn.startedAt = begun.push(turn) - 1;
      return leave;
    };
    this.undo.push(() => (queues.enter = enter));
    const pools = pg.Pool.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of ['query', 'connect']) {
      const original = pools[name]!;
      pools[name] = function (...args) {
        const key = currentRequest()?.key;
        // A pool connects for its own query with a callback.
        if (key !== undefined && typeof args.at(-1) !== 'function') statements.set(key, (statements.get(key) ?? 0) + 1);
        return original.apply(this, args);
      };
      this.undo.push(() => (pools[name] = original));
    }
  }

  stop(): void {
    for (const step of this.undo) step();
  }

  /** Turns that a key has waiting at any queue. */
  waiting(key: string): number {
    return this.turns.filter((turn) => turn.key === key && turn.startedAt === undefined && !turn.isGone).length;
  }

  /** For each turn of `key`: how many turns of `other` at the same queue began while it waited. */
  overtakenBy(key: string, other: string): number[] {
    return this.turns
      .filter((turn) => turn.key === key && turn.startedAt !== undefined)
      .map(
        ({ queue, askedAt, startedAt }) =>
          this.begun.slice(askedAt, startedAt).filter((one) => one.key === other && one.queue === queue).length,
      );
  }
}
