import { Inject, Injectable } from '@nestjs/common';
import { CREATOR_STATES, type CreatorState } from '@tributary/creators';
import { type Logger, Metrics, reasonOf } from '@tributary/runtime';
import { Gauge } from 'prom-client';
import { LOGGER } from '../resources.js';
import { CreatorRegistry } from './creator-registry.js';
import { CreatorViews } from './creator-views.js';

const PAGE = 1_000;
/** A scrape takes a count that is this old; with many creators one takes a moment. */
const FRESH_MS = 5_000;

export interface CreatorTotals {
  total: number;
  paused: number;
  byState: Record<CreatorState, number>;
}

/** How many creators are in which state, over all workers: for the status, and as a metric. */
@Injectable()
export class CreatorCounts {
  private cached: { at: number; totals: Promise<CreatorTotals> } | undefined;

  constructor(
    private readonly registry: CreatorRegistry,
    private readonly views: CreatorViews,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    const fresh = () => this.fresh();
    new Gauge({
      name: 'tributary_creators',
      help: 'Monitored creators by state, over all workers: the same from every api process. Absent while Redis or PostgreSQL does not answer',
      labelNames: ['state'],
      registers: [metrics],
      async collect() {
        try {
          const { byState } = await fresh();
          for (const state of CREATOR_STATES) this.set({ state }, byState[state]);
        } catch (error) {
          this.reset();
          logger.debug({ reason: reasonOf(error) }, 'creators cannot be counted');
        }
      },
    });
  }

  /** Counts now, those of `allowedCreators` where it is given. @throws where Redis or PostgreSQL does not answer */
  async count(allowedCreators?: readonly string[]): Promise<CreatorTotals> {
    const byState = Object.fromEntries(CREATOR_STATES.map((state) => [state, 0])) as Record<CreatorState, number>;
    const counts = await this.registry.count(allowedCreators);
    for (let after = ''; ;) {
      const rows = await this.registry.page(after, PAGE, allowedCreators);
      for (const state of await this.views.states(rows)) byState[state ?? 'unknown'] += 1;
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return { ...counts, byState };
      after = last.id;
    }
  }

  private fresh(): Promise<CreatorTotals> {
    if (!this.cached || Date.now() - this.cached.at > FRESH_MS) this.cached = { at: Date.now(), totals: this.count() };
    return this.cached.totals;
  }
}
