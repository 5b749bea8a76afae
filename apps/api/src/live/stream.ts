import type { StoredEvent } from '@tributary/events';
import { encodeCursor } from '@tributary/log';
import { backoffMs, type Logger, pause, reasonOf } from '@tributary/runtime';
import { envelopeOf } from '../events/envelopes.js';
import type { EventStore } from '../store/event-store.js';
import type { EventFilter } from '../store/filter.js';
import type { GenerationStart } from '../store/generations.js';
import type { Follower } from './follower.js';
import type { LiveHub } from './hub.js';
import type { SseWriter, StreamLimits } from './sse-writer.js';
import { STREAM_ENDS, type StreamEnd } from './stream-ends.js';
import { endAt } from './until.js';

/** Frames are joined up to about this size: one system call for many events, and small enough to notice a slow client. */
const CHUNK_CHARACTERS = 65_536;
const RETRY = { firstMs: 100, maxMs: 5_000 };
/** Between two looks at whether a stream with a past `until` has caught up. */
const UNTIL_EVERY_MS = 50;

/** Events as SSE frames: one event is written as text once, for all streams of the process. */
export class Frames {
  private readonly texts = new WeakMap<StoredEvent, string>();

  of(event: StoredEvent, history: readonly GenerationStart[], read: number): string {
    const known = this.texts.get(event);
    if (known !== undefined) return known;
    const envelope = envelopeOf(event, history, read);
    const text = `id: ${envelope.position}\nevent: ${event.type}\ndata: ${JSON.stringify(envelope)}\n\n`;
    this.texts.set(event, text);
    return text;
  }
}

/** Where a stream begins, and what the client is told of it. */
export interface StreamStart {
  generation: number;
  /** Position after which events follow. */
  after: number;
  head: number;
  /** What the client asked to begin at. */
  from: 'head' | 'since' | 'cursor';
  recovered: boolean;
  reason?: 'restored' | 'expired';
}

/** One live reader over SSE, from `hello` to its end. */
export class LiveStream {
  private readonly ending = new AbortController();
  private end: StreamEnd | undefined;
  private position: number;
  /** What `position` is a number of: the log may begin a new generation under a stream that lost nothing. */
  private generation: number;
  private follower: Follower | undefined;
  /** Highest position the client was given: a heartbeat must never lead it back. */
  private told: number;

  constructor(
    private readonly options: {
      writer: SseWriter;
      hub: LiveHub;
      frames: Frames;
      filter: EventFilter;
      start: StreamStart;
      limits: StreamLimits;
      /** Where it reads what is too old for the memory of the hub. */
      search: (signal: AbortSignal) => Pick<EventStore, 'query'>;
      logger: Logger;
      /** Whether the key the stream was opened with is still in force. */
      allowed: () => boolean;
    },
  ) {
    this.position = options.start.after;
    this.generation = options.start.generation;
    this.told = options.start.after;
  }

  /** Ends the stream: with a reason the client is told, without one when the client is gone. */
  stop(end?: StreamEnd): void {
    this.end ??= end;
    this.ending.abort();
  }

  /** Runs until the client leaves, is too slow, or {@link stop}. Returns the reason the server had, if any. */
  async run(): Promise<StreamEnd | undefined> {
    const { writer, limits } = this.options;
    const heartbeat = setInterval(() => this.beat(), limits.heartbeatMs);
    let waitNoMore: (() => void) | undefined;
    try {
      await this.send(this.hello());
      waitNoMore = this.endAtUntil();
      await this.relay();
    } finally {
      clearInterval(heartbeat);
      waitNoMore?.();
    }
    if (this.end) writer.close(this.farewell(this.end));
    return this.end;
  }

  /** Ends the stream once everything before the filter's `until` was sent. */
  private endAtUntil(): (() => void) | undefined {
    const { filter, limits, hub, start } = this.options;
    if (!filter.until) return undefined;
    return endAt({
      until: filter.until.getTime(),
      lateMs: limits.lateMs,
      everyMs: UNTIL_EVERY_MS,
      // The hub may be behind what the database had when the stream began.
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
          await this.sendEvents(events);
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

  private async sendEvents(events: readonly StoredEvent[]): Promise<void> {
    const { frames, hub } = this.options;
    let chunk = '';
    for (const [i, event] of events.entries()) {
      chunk += frames.of(event, hub.history, this.generation);
      if (chunk.length < CHUNK_CHARACTERS && i < events.length - 1) continue;
      this.told = event.seq;
      await this.send(chunk);
      if (this.ending.signal.aborted) return;
      chunk = '';
    }
  }

  private async send(text: string): Promise<void> {
    const outcome = await this.options.writer.write(text);
    if (outcome === 'slow') this.stop('slow');
    if (outcome === 'closed') this.stop();
  }

  private hello(): string {
    const { generation, after, head, from, recovered, reason } = this.options.start;
    const position = encodeCursor({ generation, seq: after });
    const data = { position, from, recovered, head: encodeCursor({ generation, seq: head }), ...(reason ? { reason } : {}) };
    return `retry: 2000\nid: ${position}\nevent: hello\ndata: ${JSON.stringify(data)}\n\n`;
  }

  /** Keeps the connection alive, and the position of a stream moving whose filter lets little through. */
  private beat(): void {
    const { writer, allowed } = this.options;
    if (!allowed()) {
      this.stop('revoked');
      return;
    }
    if (!writer.ready) return;
    let text = ': heartbeat\n\n';
    const { reached } = this;
    if (reached > this.told) {
      this.told = reached;
      const position = this.toldPosition;
      text += `id: ${position}\nevent: position\ndata: ${JSON.stringify({ position })}\n\n`;
    }
    void this.send(text);
  }

  private farewell(reason: StreamEnd): string {
    // Nothing up to here is missing: of a stream that is over, what was looked at counts too.
    if (reason === 'until') this.told = Math.max(this.told, this.reached);
    const position = this.toldPosition;
    return `id: ${position}\nevent: closed\ndata: ${JSON.stringify({ reason, ...STREAM_ENDS[reason], position })}\n\n`;
  }

  private get toldPosition(): string {
    return encodeCursor({ generation: this.generation, seq: this.told });
  }
}
