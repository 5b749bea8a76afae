import type { StoredEvent } from '@tributary/events';
import { encodeCursor } from '@tributary/log';
import { backoffMs, type Logger, pause, reasonOf } from '@tributary/runtime';
import type { EventStore } from '../../store/event-store.js';
import { type EventFilter, spanOf } from '../../filter/filter.js';
import { type Closed, type Hello, type LiveEncoder, STREAM_ENDS, type StreamEnd } from '../codec.js';
import type { LiveConnection } from '../connection.js';
import type { Follower } from '../hub/follower.js';
import type { LiveHub } from '../hub/hub.js';
import type { StreamLimits } from '../stream-limits.js';
import type { SubscriptionStart } from './subscription-start.js';
import { endAt } from './until.js';

/** Events are handed over in pieces of about this size: few writes for many events, small enough to notice a slow client. */
const PIECE_CHARACTERS = 65_536;
const RETRY = { firstMs: 100, maxMs: 5_000 };
/** Between two looks at whether a subscription with a past `until` has caught up. */
const UNTIL_EVERY_MS = 50;

export interface SubscriptionOptions {
  connection: LiveConnection;
  encoder: LiveEncoder;
  hub: LiveHub;
  filter: EventFilter;
  start: SubscriptionStart;
  limits: StreamLimits;
  /** Where it reads what is too old for the memory of the hub. */
  search: (signal: AbortSignal) => Pick<EventStore, 'query'>;
  logger: Logger;
  /** Whether the key it was opened with is still in force. */
  allowed: () => boolean;
}

/**
 * One live reader, from `hello` to its end: its position, its filter, the client's pace, and its recovery from failures of
 * PostgreSQL. How messages are written and what carries them is the codec's and the connection's.
 */
export class LiveSubscription {
  private readonly ending = new AbortController();
  private end: StreamEnd | undefined;
  /** Everything up to here was handed over. */
  private position: number;
  /** What `position` is a number of: the log may begin a new generation under a subscription that lost nothing. */
  private generation: number;
  private follower: Follower | undefined;
  /** Highest position that the client knows: a heartbeat must never lead it back. */
  private knownPosition: number;

  constructor(private readonly options: SubscriptionOptions) {
    this.position = options.start.after;
    this.generation = options.start.generation;
    this.knownPosition = options.start.after;
  }

  /** Ends the subscription: with a reason that is sent to the client, without one when the client is gone. */
  stop(end?: StreamEnd): void {
    this.end ??= end;
    this.ending.abort();
  }

  /** Runs until the client leaves, is too slow, or {@link stop}. Returns the reason the server had, if any. */
  async run(): Promise<StreamEnd | undefined> {
    const { connection, encoder, limits } = this.options;
    const heartbeat = setInterval(() => this.beat(), limits.heartbeatMs);
    let stopWaiting: (() => void) | undefined;
    try {
      await this.write([encoder.encode(this.hello())]);
      stopWaiting = this.endAtUntil();
      await this.relay();
    } finally {
      clearInterval(heartbeat);
      stopWaiting?.();
    }
    if (this.end) connection.close(this.closed(this.end));
    return this.end;
  }

  /** Ends the subscription once everything before the filter's `until` was sent. */
  private endAtUntil(): (() => void) | undefined {
    const { filter, limits, hub, start } = this.options;
    const { before } = spanOf(filter);
    if (!before) return undefined;
    return endAt({
      until: before.getTime(),
      lateMs: limits.lateMs,
      everyMs: UNTIL_EVERY_MS,
      // The hub may be behind what the database had when the subscription began.
      head: () => ({
        generation: hub.generation,
        seq: hub.generation === start.generation ? Math.max(start.head, hub.head()) : hub.head(),
      }),
      reached: () => this.reached,
      onEnd: () => this.stop('until'),
    });
  }

  /** Up to where everything was looked at, and sent where it matches. */
  private get reached(): number {
    return this.follower?.waitsAt ?? this.position;
  }

  /** Follows the log over failures of PostgreSQL: the client's connection outlives them. */
  private async relay(): Promise<void> {
    const { hub, filter, logger, search } = this.options;
    const { signal } = this.ending;
    const store = search(signal);
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const follower = (this.follower = hub.follow(filter, this.position, signal, this.generation, store));
        for await (const { events, seq, generation } of follower) {
          this.generation = generation;
          await this.writeEvents(events);
          if (signal.aborted) return;
          this.position = seq;
          failures = 0;
        }
        if (!signal.aborted) this.stop('restored');
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (failures === 0) logger.warn({ reason: reasonOf(error) }, 'a live stream cannot read the log; trying again');
        await pause(backoffMs(failures, RETRY), signal);
      }
    }
  }

  private async writeEvents(events: readonly StoredEvent[]): Promise<void> {
    const { encoder, hub } = this.options;
    let piece: string[] = [];
    let characters = 0;
    for (const [i, event] of events.entries()) {
      const text = encoder.event(event, hub.history, this.generation);
      piece.push(text);
      characters += text.length;
      if (characters < PIECE_CHARACTERS && i < events.length - 1) continue;
      this.knownPosition = event.seq;
      await this.write(piece);
      if (this.ending.signal.aborted) return;
      piece = [];
      characters = 0;
    }
  }

  private async write(texts: readonly string[]): Promise<void> {
    const outcome = await this.options.connection.write(texts);
    if (outcome === 'slow') this.stop('slow');
    if (outcome === 'closed') this.stop();
  }

  private hello(): Hello {
    const { generation, after, head, from, recovered, reason } = this.options.start;
    return {
      kind: 'hello',
      position: encodeCursor({ generation, seq: after }),
      from,
      recovered,
      head: encodeCursor({ generation, seq: head }),
      ...(reason ? { reason } : {}),
    };
  }

  /** Keeps the connection alive, and the position of a client moving whose filter lets little through. */
  private beat(): void {
    const { connection, encoder, allowed } = this.options;
    if (!allowed()) {
      this.stop('revoked');
      return;
    }
    if (!connection.ready) return;
    const texts = [encoder.encode({ kind: 'heartbeat' })];
    const { reached } = this;
    if (reached > this.knownPosition) {
      this.knownPosition = reached;
      texts.push(encoder.encode({ kind: 'position', position: this.knownCursor }));
    }
    void this.write(texts);
  }

  private closed(reason: StreamEnd): Closed {
    // Nothing up to here is missing: at the end of the time asked for, what was looked at counts too.
    if (reason === 'until') this.knownPosition = Math.max(this.knownPosition, this.reached);
    return { kind: 'closed', reason, ...STREAM_ENDS[reason], position: this.knownCursor };
  }

  private get knownCursor(): string {
    return encodeCursor({ generation: this.generation, seq: this.knownPosition });
  }
}
