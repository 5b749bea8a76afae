import { Inject, Injectable } from '@nestjs/common';
import { Metrics } from '@tributary/runtime';
import type { Pool } from 'pg';
import { SEARCH_POOL } from '../resources.js';
import { EventStore } from './event-store.js';
import { takingTurns } from './pool/fair-pool.js';
import { FairQueue, type FairWork, measureQueue } from './pool/fair-queue.js';

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
    this.queue = new FairQueue({ runningMax: pool.options.max, waitingMax: WAITING_MAX, what: 'searches' });
    measureQueue(this.queue, metrics, 'searches', 'Statements of searches, exports and catching up live readers');
  }

  /**
   * The store for one request or stream of `key`. Only the first statement can be rejected for a full queue. Every statement of
   * a page can time out in the queue. Aborting `signal` removes a statement from it.
   */
  of(key: string, kind: SearchKind, signal?: AbortSignal): EventStore {
    const bounds = { ...WAITING[kind], ...(signal ? { signal } : {}) };
    let isAdmitted = false;
    const pool = takingTurns(this.pool, async () => {
      const end = await this.queue.enter(`${kind} ${key}`, { ...bounds, isAdmitted });
      isAdmitted = true;
      return end;
    });
    return new EventStore(pool);
  }
}
