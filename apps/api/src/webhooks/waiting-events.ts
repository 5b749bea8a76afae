import type { Pool, PoolClient } from 'pg';
import { type EventFilter, matchesNone, storedForm } from '../filter/filter.js';
import { selectEvents } from '../store/event-select.js';
import { LogRanges } from '../store/log-ranges.js';

/** Matching events that an endpoint has not come to. */
export interface WaitingEvents {
  /** How many; null where that could not be counted in time. */
  events: number | null;
  /** There are more than `events`, or may be. */
  more: boolean;
  /** When the first of them was received; null where there is none, or it was not found in time. */
  oldestAt: Date | null;
}

/** An endpoint, and from where on its events are counted. */
export interface Counted {
  id: string;
  filter: EventFilter;
  position: number;
}

export interface WaitingEventsOptions {
  pool: Pool;
  /** Monotonic, in ms. */
  now?: () => number;
}

/** Events that are counted of one endpoint in a list, and when one is asked for: of more it only says that there are more. */
export const LIST_COUNTED_MAX = 1_000;
const ONE_COUNTED_MAX = 10_000;
/** What counting may take, for a whole list or for one endpoint. */
const COUNT_MS_MAX = 1_500;
/** A count in a list may be this old; one that was quick is soon made again: after so many times what it took. */
export const COUNT_FRESH_MS = 30_000;
const FRESH_TIMES = 100;
const KNOWN_MAX = 10_000;
/** Counts under way at a time, each on a connection of its own. */
const RUNNING_MAX = 3;
const QUERY_CANCELED = '57014';
const UNKNOWN: WaitingEvents = { events: null, more: true, oldestAt: null };
const NOTHING: WaitingEvents = { events: 0, more: false, oldestAt: null };

/**
 * Counts what endpoints have not come to, within bounds whatever the log holds: at most so many events each, for a bounded time, and few
 * counts at a time. In a list those that were counted longest ago come first, so that each has its turn.
 */
export class WaitingEventsCounter {
  private readonly known = new Map<string, { position: number; at: number; freshUntil: number; waiting: WaitingEvents }>();
  private readonly now: () => number;
  private running = 0;

  constructor(private readonly options: WaitingEventsOptions) {
    this.now = options.now ?? (() => performance.now());
  }

  /** What each of these endpoints waits for, in their order; as of the last 30 s. `head` is the newest position. */
  async ofList(endpoints: readonly Counted[], head: number): Promise<WaitingEvents[]> {
    const now = this.now();
    const due = endpoints.filter(({ id, position }) => {
      const known = this.known.get(id);
      return position < head && !(known && known.position === position && now < known.freshUntil);
    });
    due.sort((a, b) => (this.known.get(a.id)?.at ?? 0) - (this.known.get(b.id)?.at ?? 0));
    await this.count(due, LIST_COUNTED_MAX);
    return endpoints.map((endpoint) => (endpoint.position >= head ? NOTHING : this.knownOf(endpoint)));
  }

  /** What one endpoint waits for, now. */
  async ofOne(endpoint: Counted): Promise<WaitingEvents> {
    await this.count([endpoint], ONE_COUNTED_MAX);
    return this.knownOf(endpoint);
  }

  private knownOf({ id, position }: Counted): WaitingEvents {
    const known = this.known.get(id);
    return known?.position === position ? known.waiting : UNKNOWN;
  }

  /** Counts those for which there is time. One that takes all of it is known as such, so that others have their turn before it is tried again. */
  private async count(endpoints: readonly Counted[], most: number): Promise<void> {
    if (endpoints.length === 0 || this.running >= RUNNING_MAX) return;
    this.running += 1;
    let client: PoolClient | undefined;
    let broken: Error | undefined;
    try {
      client = await this.options.pool.connect();
      const deadline = this.now() + COUNT_MS_MAX;
      for (const [i, endpoint] of endpoints.entries()) {
        const startedAt = this.now();
        if (startedAt >= deadline) break;
        const waiting = await this.countWithin(client, endpoint, { most, deadline });
        if (waiting.events !== null || i === 0) this.note(endpoint, waiting, startedAt);
      }
    } catch (error) {
      broken = error as Error;
      throw error;
    } finally {
      client?.release(broken);
      this.running -= 1;
    }
  }

  private note({ id, position }: Counted, waiting: WaitingEvents, startedAt: number): void {
    if (this.known.size >= KNOWN_MAX) this.known.clear();
    const at = this.now();
    this.known.set(id, { position, at, freshUntil: at + Math.min(COUNT_FRESH_MS, FRESH_TIMES * (at - startedAt)), waiting });
  }

  /** Counts one, in what is left of the time. */
  private async countWithin(
    client: PoolClient,
    { filter, position }: Counted,
    bounds: { most: number; deadline: number },
  ): Promise<WaitingEvents> {
    await client.query('begin');
    try {
      await client.query(`set local statement_timeout = ${Math.max(1, Math.ceil(bounds.deadline - this.now()))}`);
      const waiting = await this.countFrom(client, filter, position, bounds);
      await client.query('commit');
      return waiting;
    } catch (error) {
      await client.query('rollback');
      if ((error as { code?: string }).code !== QUERY_CANCELED) throw error;
      return UNKNOWN;
    }
  }

  private async countFrom(
    client: PoolClient,
    filter: EventFilter,
    after: number,
    { most, deadline }: { most: number; deadline: number },
  ): Promise<WaitingEvents> {
    const ranges = new LogRanges(client);
    let exact: EventFilter | undefined;
    let [events, oldestAt]: [number, Date | null] = [0, null];
    for (let from = after; ;) {
      const { head, windows, reached } = await ranges.look({ from, until: Infinity, order: 'asc', goingOn: from > after });
      exact ??= await storedForm(client, filter);
      if (matchesNone(exact)) return NOTHING;
      for (const window of windows) {
        const select = selectEvents('e.seq, e.received_at', exact, window, { order: 'asc', limit: most + 1 - events });
        const { rows } = await client.query<{ n: number; at: Date | null }>(
          `select count(*)::int as n, min(received_at) as at from (${select.text}) as next`,
          select.values,
        );
        events += rows[0]?.n ?? 0;
        oldestAt ??= rows[0]?.at ?? null;
        if (events > most) return { events: most, more: true, oldestAt };
        if (this.now() > deadline) return { events: null, more: true, oldestAt };
      }
      if (reached >= head.seq) return { events, more: false, oldestAt };
      from = reached;
    }
  }
}
