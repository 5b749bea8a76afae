import { matchesType } from '@tributary/events';
import { backoffMs, type Logger, pause, reasonOf } from '@tributary/runtime';
import { FilterIndex } from '../live/filter-index.js';
import type { LiveBatch } from '../live/follower.js';
import type { EventFilter } from '../store/filter.js';
import type { GenerationStart } from '../store/generations.js';
import { type OutboundEvent, outboundEventOf } from './request/outbound-events.js';

/** Who wants new events as they are stored. */
export interface TailFollower {
  readonly filter: EventFilter;
  /** What its position is a number of. */
  readonly generation: number;
  /** Takes an event; false when there is no room, which ends the following. */
  offer(entry: OutboundEvent): boolean;
  /** Called once after a batch in which something was offered. */
  offered(): void;
}

export interface LiveTailOptions {
  hub: {
    head(): number;
    readonly generation: number;
    readonly history: readonly GenerationStart[];
    follow(filter: EventFilter, after: number, signal: AbortSignal, generation: number): AsyncIterable<LiveBatch>;
  };
  /** Called when another generation of the log began: nobody follows any more, and every cursor must read its position from the database again. */
  renewed(): void;
  /** Newest events kept, so that a reader that comes from the database finds the place where it goes on. */
  recentEntriesMax?: number;
  logger: Logger;
}

const RETRY = { firstMs: 100, maxMs: 2_000 };

/**
 * The newest end of the log for all webhook readers of a process: read once, and handed to those whose filter matches,
 * found by what they filter for. A reader that cannot keep up falls off and costs the others nothing.
 */
export class LiveTail {
  private position = 0;
  /** What `position` is a number of, and all that is remembered belongs to. */
  private of = 0;
  private recent: OutboundEvent[] = [];
  /** `recent` holds everything after this. */
  private recentAfter = 0;
  private followers = new FilterIndex<TailFollower>();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private readonly recentEntriesMax: number;

  constructor(private readonly options: LiveTailOptions) {
    this.recentEntriesMax = options.recentEntriesMax ?? 5_000;
  }

  /** @param head of the log; what came before is read from the database */
  start({ generation, seq }: { generation: number; seq: number }): void {
    this.of = generation;
    this.position = seq;
    this.recentAfter = this.position;
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Everything up to here was offered to those who follow. */
  get at(): number {
    return this.position;
  }

  /** What {@link at} is a number of. */
  get generation(): number {
    return this.of;
  }

  /**
   * Follows from after `after` on, what is in memory first; false when the memory does not reach back that far, or is of another
   * generation than the position.
   */
  join(follower: TailFollower, after: number): boolean {
    if (follower.generation !== this.of || after < this.recentAfter) return false;
    let offered = false;
    for (let i = this.indexAfter(after); i < this.recent.length; i++) {
      const entry = this.recent[i]!;
      if (!wants(follower.filter, entry)) continue;
      if (!follower.offer(entry)) return false;
      offered = true;
    }
    this.followers.add(follower);
    if (offered) follower.offered();
    return true;
  }

  leave(follower: TailFollower): void {
    this.followers.remove(follower);
  }

  private async run(): Promise<void> {
    const { hub, logger } = this.options;
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      if (this.farBehind()) this.skipToHead();
      try {
        for await (const { events, seq, generation } of hub.follow({}, this.position, signal, this.of)) {
          failures = 0;
          if (generation !== this.of) this.renew(generation);
          this.take(
            events.map((event) => outboundEventOf(event, hub.history, generation)),
            seq,
          );
          if (this.farBehind()) break;
        }
        if (signal.aborted) return;
        // It ended, because what was passed is in the log no more, or there is too much that nobody here wants.
        if (hub.generation !== this.of) this.skipToHead();
      } catch (error) {
        if (failures === 0) logger.warn({ reason: reasonOf(error) }, 'the log cannot be followed for webhooks; trying again');
        await pause(backoffMs(failures++, RETRY), signal);
      }
    }
  }

  /** Far from the end, and nobody follows: what lies between is nobody's business here. */
  private farBehind(): boolean {
    return this.followers.size === 0 && this.options.hub.head() - this.position > this.recentEntriesMax;
  }

  private skipToHead(): void {
    const { hub } = this.options;
    this.position = hub.head();
    if (hub.generation !== this.of) this.renew(hub.generation);
    this.recent = [];
    this.recentAfter = this.position;
  }

  /** What is remembered, and whoever follows, belongs to the generation before. */
  private renew(generation: number): void {
    this.of = generation;
    this.recent = [];
    this.recentAfter = this.position;
    this.followers = new FilterIndex();
    this.options.renewed();
  }

  private take(entries: OutboundEvent[], seq: number): void {
    const touched = new Set<TailFollower>();
    for (const entry of entries) {
      this.recent.push(entry);
      for (const followers of [this.followers.everything, this.followers.matching(entry.event)]) {
        for (const follower of followers) {
          if (follower.offer(entry)) touched.add(follower);
          else this.leave(follower);
        }
      }
    }
    // Trimmed by halves: to shift an array with every event would copy it every time.
    if (this.recent.length > 2 * this.recentEntriesMax) {
      this.recentAfter = this.recent.at(-this.recentEntriesMax - 1)!.seq;
      this.recent = this.recent.slice(-this.recentEntriesMax);
    }
    this.position = seq;
    for (const follower of touched) follower.offered();
  }

  /** Index of the first entry in memory whose number is above `seq`. */
  private indexAfter(seq: number): number {
    let [low, high] = [0, this.recent.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.recent[middle]!.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The verdict of the store's filter, for the two parts that an endpoint's filter has. */
function wants({ creatorIds, types }: EventFilter, { event }: OutboundEvent): boolean {
  return (!creatorIds || creatorIds.includes(event.creatorId)) && (!types || matchesType(types, event.type));
}
