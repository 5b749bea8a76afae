import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';

const EVERY_MS = 200;
const ROWS_MAX = 20_000;

/** Polls the store, and records when each event was first seen there. */
export class StallWatch {
  private readonly seen = new Map<string, number>();
  private readonly newest = new Map<string, number>();
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;
  private after = 0;

  /** @param pool gives the database of the moment; a failing look is made again */
  constructor(private readonly pool: () => Pool) {
    this.running = this.run();
  }

  /** When an event was first seen, ms since 1970. */
  readonly storedAt = (id: string): number | undefined => this.seen.get(id);

  /** The newest arrival at a worker of a creator's stored messages, ms since 1970; 0 when there is none. */
  newestOf(creatorId: string): number {
    return this.newest.get(creatorId) ?? 0;
  }

  /** Starts again after the database was replaced. */
  rewind(): void {
    this.after = 0;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const isMore = await this.look().catch(() => false);
      if (!isMore) await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Reads what is new; whether there may be more. */
  private async look(): Promise<boolean> {
    const { after } = this;
    const { rows } = await this.pool().query<{ seq: number; id: string; creator: string; at: number }>(
      `select seq::float8 as seq, id, creator_id as creator, extract(epoch from received_at)::float8 * 1000 as at from events
        where seq > $1 and type like 'tiktok.live.%' order by events.seq limit ${ROWS_MAX}`,
      [after],
    );
    const now = Date.now();
    // It was replaced while this was under way.
    if (this.after !== after) return true;
    for (const { seq, id, creator, at } of rows) {
      this.after = Math.max(this.after, seq);
      this.newest.set(creator, Math.max(at, this.newest.get(creator) ?? 0));
      if (!this.seen.has(id)) this.seen.set(id, now);
    }
    return rows.length === ROWS_MAX;
  }
}
