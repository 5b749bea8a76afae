import type { CreatorRecord } from '@tributary/creators';
import type { EventDraft } from '@tributary/events';
import type { ConnectionEnd, ConnectionStats, NormaliserCounters, RoomState, WireMessage } from '@tributary/webcast';
import type { CreatorContext } from './creator-context.js';
import { RateMeter } from './rate-meter.js';

/** What turns messages into events: the RoomNormaliser of libs/webcast, or a test's. */
export interface Normaliser {
  readonly counters: Readonly<NormaliserCounters>;
  readonly state: Readonly<RoomState>;
  normalise(message: WireMessage, receivedAt: number): EventDraft[];
  sweep(now: number): EventDraft[];
  takeSavedState(): string | undefined;
  recentIds(): string[];
}

/** What a normaliser of a room is made with. */
export interface NormaliserOptions {
  record: CreatorRecord;
  roomId: string;
  /** What {@link Normaliser.takeSavedState} of an earlier normaliser gave. */
  savedState?: string;
  recentIds?: readonly string[];
}

/** Sums over all creators of a worker. */
export interface MessageTotals {
  /** Messages out of sockets. */
  received: number;
  /** Frames that could not be read: nobody knows how many messages they held. */
  unreadFrames: number;
  /** Messages that do not match TikTok's definitions. */
  undecodable: number;
  /** Events made of messages. */
  decoded: number;
}

/** How an open connection ended and what it brought. `lastMessageAt` is ms since 1970; its opening when there was no message. */
export interface ConnectionReport extends Omit<ConnectionEnd, 'reason'> {
  reason: ConnectionEnd['reason'] | 'stream-end';
  frames: number;
  messages: number;
  events: number;
  lastMessageAt: number;
  /** From its opening to its last message, in ms: next to none where only the first messages came. */
  activeMs: number;
  /** Messages per second at its end. */
  rate: number;
}

export interface MessagePipelineOptions {
  creator: CreatorContext;
  roomId: string;
  makeNormaliser: (options: NormaliserOptions) => Normaliser;
  totals: MessageTotals;
  savedState?: string;
  recentIds?: readonly string[];
}

/** The messages of one room, over all its connections: normalised, published, and counted for each connection. */
export class MessagePipeline {
  private normaliser: Normaliser;
  private stats: ConnectionStats | undefined;
  private rate = new RateMeter(0);
  private events = 0;
  private framesSeen = 0;
  private unreadSeen = 0;
  private trustsEndMessage = true;
  private streamEndAt: number | undefined;

  constructor(private readonly options: MessagePipelineOptions) {
    this.normaliser = this.makeNormaliser(options.savedState, options.recentIds);
  }

  /** A connection has opened. `trustsEndMessage`: false after an end message that more messages followed. */
  startConnection(stats: ConnectionStats, now: number, trustsEndMessage: boolean): void {
    this.stats = stats;
    this.rate = new RateMeter(now);
    this.events = 0;
    this.framesSeen = 0;
    this.unreadSeen = 0;
    this.trustsEndMessage = trustsEndMessage;
    this.streamEndAt = undefined;
  }

  /** Publishes the events of messages that arrived together at `receivedAt`. */
  receive(messages: WireMessage[], receivedAt: number): void {
    const { normaliser } = this;
    const { creator, totals } = this.options;
    const { counters } = creator.status.status;
    const undecodableBefore = normaliser.counters.decodeErrors;
    let events = 0;
    for (const message of messages) {
      const drafts = normaliser.normalise(message, receivedAt);
      // Before the events of this message: the same command must write both.
      this.saveState();
      for (const draft of drafts) creator.publisher.publish(draft);
      events += drafts.length;
    }
    this.events += events;
    this.rate.add(messages.length, receivedAt);
    totals.received += messages.length;
    totals.undecodable += normaliser.counters.decodeErrors - undecodableBefore;
    totals.decoded += events;
    counters.messages += messages.length;
    counters.events += events;
    if (this.trustsEndMessage && normaliser.state.ended !== undefined) this.streamEndAt ??= receivedAt;
  }

  /** Ms since 1970 when the open connection brought the message that ends the stream; undefined while it has not. */
  get streamEndedAt(): number | undefined {
    return this.streamEndAt;
  }

  /** Whether the host has paused the stream. */
  get isPaused(): boolean {
    return this.normaliser.state.paused === true;
  }

  recentIds(): string[] {
    return this.normaliser.recentIds();
  }

  /** Counts what is new, and closes gift streaks that fell silent. Call it about once a second. */
  tick(now: number): void {
    for (const draft of this.normaliser.sweep(now)) this.options.creator.publisher.publish(draft);
    this.countFrames();
    this.options.creator.status.addCounts(this.normaliser);
  }

  /** The record has changed: the next message is read with the new options, and every count goes on. */
  update(): void {
    const { creator } = this.options;
    creator.status.addCounts(this.normaliser);
    this.saveState();
    this.normaliser = this.makeNormaliser(creator.publisher.state.room, this.normaliser.recentIds());
  }

  /** The open connection has ended. */
  endConnection({ reason, ...end }: ConnectionEnd, now: number): ConnectionReport {
    this.countFrames();
    const { openedAt = 0, lastMessageAt = 0, frames = 0, messages = 0 } = this.stats ?? {};
    this.stats = undefined;
    return {
      ...end,
      reason: this.streamEndAt === undefined ? reason : 'stream-end',
      frames,
      messages,
      events: this.events,
      lastMessageAt,
      activeMs: Math.max(0, lastMessageAt - openedAt),
      rate: this.rate.perSecond(now),
    };
  }

  private countFrames(): void {
    if (!this.stats) return;
    const { frames, badFrames } = this.stats;
    this.options.creator.status.status.counters.frames += frames - this.framesSeen;
    this.options.totals.unreadFrames += badFrames - this.unreadSeen;
    this.framesSeen = frames;
    this.unreadSeen = badFrames;
  }

  private saveState(): void {
    const room = this.normaliser.takeSavedState();
    if (room !== undefined) this.options.creator.publisher.updateState({ room });
  }

  private makeNormaliser(savedState: string | undefined, recentIds: readonly string[] | undefined): Normaliser {
    const { creator, roomId, makeNormaliser } = this.options;
    return makeNormaliser({ record: creator.record(), roomId, savedState, recentIds });
  }
}
