import { Inject, Injectable } from '@nestjs/common';
import { Metrics } from '@tributary/runtime';
import type { Pool, QueryResult } from 'pg';
import { Gauge } from 'prom-client';
import { SEARCH_POOL } from '../resources.js';
import { EventStore } from './event-store.js';
import { FairQueue, type FairWork } from './fair-queue.js';

/** What a search is for; each has turns of its own, so that a key's pages do not wait for its streams. */
export type SearchKind = 'page' | 'export' | 'stream';

const WAITING_MAX = 10_000;
const WAITING: Record<SearchKind, FairWork> = {
  page: { waitingMax: 16, waitMsMax: 20_000 },
  // Exports and streams are bounded where they begin; what they wait for is theirs alone.
  export: { waitingMax: 16 },
  stream: { waitingMax: WAITING_MAX },
};

/**
 * Event stores for what may read much of the log: searches, exports, live readers that catch up. They have connections of
 * their own and take turns by key, statement by statement, so that no reader delays a delivery, a plain request, or another key.
 */
@Injectable()
export class SearchStores {
  private readonly queue: FairQueue;

  constructor(
    @Inject(SEARCH_POOL) private readonly pool: Pool,
    metrics: Metrics,
  ) {
    this.queue = new FairQueue({ runningMax: pool.options.max, waitingMax: WAITING_MAX });
    const { queue } = this;
    const registers = [metrics];
    new Gauge({
      name: 'tributary_searches_running',
      help: 'Statements of searches, exports and catching up live readers under way',
      registers,
      collect() {
        this.set(queue.running);
      },
    });
    new Gauge({
      name: 'tributary_searches_waiting',
      help: 'Statements of searches, exports and catching up live readers that wait for their turn',
      registers,
      collect() {
        this.set(queue.waiting);
      },
    });
  }

  /** The store for what `key` does; a statement that waits for its turn leaves when `signal` aborts. */
  of(key: string, kind: SearchKind, signal?: AbortSignal): EventStore {
    const { pool, queue } = this;
    const bounds = { ...WAITING[kind], ...(signal ? { signal } : {}) };
    const inTurn = (...args: [string, unknown[]]): Promise<QueryResult> => queue.run(`${kind} ${key}`, bounds, () => pool.query(...args));
    const turns = Object.create(pool, { query: { value: inTurn }, connect: { value: () => pool.connect() } }) as Pool;
    return new EventStore(turns);
  }
}
