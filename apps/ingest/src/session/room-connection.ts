import type { CreatorCounters } from '@tributary/creators';
import type { EventDraft, GapReason } from '@tributary/events';
import type { ConnectResult, NormaliserCounters, RoomState, ConnectionEnd, ConnectionStats, WireMessage } from '@tributary/webcast';
import type { Clock } from '../pacing/clock.js';
import type { CreatorVoice } from './creator-publisher.js';
import type { Cadence } from './silence-detector.js';
import { RateMeter } from './rate-meter.js';
import type { StopReason } from './session-services.js';
import type { RoomBundle } from '../signing/sign-scheduler.js';

/** A connection to a room: the one of libs/webcast, or a test's. */
export interface RoomLink {
  readonly stats: Readonly<ConnectionStats>;
  connect(signal: AbortSignal): Promise<ConnectResult>;
  close(reason?: 'closed-by-us' | 'silence'): Promise<void>;
}

export interface LinkOptions {
  bundle: RoomBundle;
  uniqueId: string;
  onOpen(): void;
  onMessages(messages: WireMessage[], receivedAt: number): void;
  onClose(end: ConnectionEnd): void;
}

/** What turns messages into events: libs/webcast's RoomNormaliser, or a test's. */
export interface Normaliser {
  readonly counters: Readonly<NormaliserCounters>;
  readonly state: Readonly<RoomState>;
  normalise(message: WireMessage, receivedAt: number): EventDraft[];
  sweep(now: number): EventDraft[];
  takeCarry(): string | undefined;
  recentIds(): string[];
}

/** Sums over all creators of a worker. */
export interface WorkerTotals {
  /** Messages out of sockets. */
  received: number;
  /** Frames that could not be read: nobody knows how many messages they held. */
  unreadFrames: number;
  /** Of the messages, the ones that are not what TikTok's definitions say. */
  undecodable: number;
  /** Events made of them. */
  decoded: number;
}

/** Looks come each second: past this the process itself stood still (frozen, or starved of CPU), and says nothing of its rooms. */
const STALL_MS = 5_000;
/** A paused stream may be silent so many times longer. */
const PAUSED_PATIENCE = 4;

export interface RoomConnectionOptions {
  link(options: LinkOptions): RoomLink;
  bundle: RoomBundle;
  uniqueId: string;
  /** The normaliser of the room at the moment: a change of options replaces it. */
  normaliser(): Normaliser;
  voice: CreatorVoice;
  counters: CreatorCounters;
  totals: WorkerTotals;
  clock: Clock;
  /** A connection without a message for this long is closed. */
  silenceMs: number;
  /** How its room usually sounds: a socket without any frame for several times its longest interval is dead. */
  cadence: Cadence;
  /** Both are waited for so many times longer: the last connections were silent too. */
  patience: number;
  /** How long the server may take to close after the message that ends the stream. */
  endLingerMs: number;
  /** Whether the message that ends the stream is believed: false after one that was followed by more. */
  believesEnd: boolean;
  onOpen(): void;
}

/** How an open connection ended and what it brought. `lastMessageAt` is ms since 1970; its opening when there was no message. */
export interface ConnectionReport {
  reason: ConnectionEnd['reason'] | 'stream-end';
  code: number;
  message: string;
  durationMs: number;
  frames: number;
  messages: number;
  events: number;
  lastMessageAt: number;
  /** ms since 1970 of the last message before frames that could not be read, where there were many. */
  unreadSince?: number;
  /** From its opening to its last message, in ms: a connection that brought only its first messages has next to none. */
  activeMs: number;
  /** Messages per second at its end. */
  rate: number;
}

/** One open connection: messages in, events out, and the two ways in which it ends by itself: silence, and the stream's end. */
export class RoomConnection {
  /** Settles when an open connection is over; never for one that did not open. */
  readonly ended: Promise<ConnectionReport>;
  private readonly link: RoomLink;
  private settle: (end: ConnectionReport) => void = () => undefined;
  private rate = new RateMeter(0);
  private events = 0;
  private framesSeen = 0;
  private unreadSeen = 0;
  private streamEndedAt: number | undefined;
  private tickedAt: number | undefined;
  /** When this process last went on after it had stood still. */
  private resumedAt = 0;

  constructor(private readonly options: RoomConnectionOptions) {
    this.ended = new Promise((resolve) => (this.settle = resolve));
    this.link = options.link({
      bundle: options.bundle,
      uniqueId: options.uniqueId,
      onOpen: () => {
        this.rate = new RateMeter(options.clock.now());
        options.cadence.restart();
        options.onOpen();
      },
      onMessages: (messages, receivedAt) => this.receive(messages, receivedAt),
      onClose: (end) => this.close(end),
    });
  }

  connect(signal: AbortSignal): Promise<ConnectResult> {
    return this.link.connect(signal);
  }

  /** Ends it; `ended` settles with `closed-by-us`. */
  end(): Promise<void> {
    return this.link.close();
  }

  /**
   * Ends it for a standby that receives the same: `ended` settles at once, whatever the closing handshake takes, and nothing
   * more is taken.
   */
  leave(): void {
    const durationMs = this.options.clock.now() - this.link.stats.openedAt;
    this.close({ reason: 'closed-by-us', code: 1000, message: 'handed over', durationMs });
    void this.link.close();
  }

  /** ms since 1970 from which on the socket is read without a pause; Infinity while it is not read. */
  get listeningSince(): number {
    return this.link.stats.listeningSince;
  }

  /** Whether the message that ends the stream has come. */
  get isEnding(): boolean {
    return this.streamEndedAt !== undefined;
  }

  get bundle(): RoomBundle {
    return this.options.bundle;
  }

  /** Call about once a second: closes what is silent or over. */
  tick(now: number): void {
    this.countFrames();
    if (this.tickedAt !== undefined && now - this.tickedAt > STALL_MS) this.resumedAt = now;
    this.tickedAt = now;
    if (this.streamEndedAt !== undefined) {
      if (now - this.streamEndedAt >= this.options.endLingerMs) void this.link.close();
    } else if (this.isSilent(now)) {
      void this.link.close('silence');
    }
  }

  /** A quiet room still answers; a dead socket does not. A paused stream is quiet by intent. */
  private isSilent(now: number): boolean {
    const { silenceMs, cadence, patience } = this.options;
    const { lastMessageAt, lastFrameAt, listeningSince } = this.link.stats;
    // Nobody reads: memory is short. That says nothing of the room.
    if (listeningSince === Infinity) {
      cadence.restart();
      return false;
    }
    // What came while this process stood still waits in the socket, and is read after this look.
    if (lastFrameAt < this.resumedAt) cadence.restart();
    else cadence.note(lastFrameAt);
    const times = this.options.normaliser().state.paused ? Math.max(patience, PAUSED_PATIENCE) : patience;
    const messageAt = Math.max(lastMessageAt, listeningSince, this.resumedAt);
    // One that is dead answers no heartbeat either, paused or not, where it is known how the room sounds.
    const deadMs = cadence.patienceMs(silenceMs * times) * patience;
    return now - messageAt >= silenceMs * times || now - Math.max(lastFrameAt, messageAt) >= deadMs;
  }

  private receive(messages: WireMessage[], receivedAt: number): void {
    const { voice, counters, totals, believesEnd } = this.options;
    const normaliser = this.options.normaliser();
    const undecodableBefore = normaliser.counters.decodeErrors;
    let events = 0;
    for (const message of messages) {
      const drafts = normaliser.normalise(message, receivedAt);
      // Before the events of this message: the same command writes both.
      const room = normaliser.takeCarry();
      if (room !== undefined) voice.note({ room });
      for (const draft of drafts) voice.say(draft);
      events += drafts.length;
    }
    this.events += events;
    this.rate.add(messages.length, receivedAt);
    totals.received += messages.length;
    totals.undecodable += normaliser.counters.decodeErrors - undecodableBefore;
    totals.decoded += events;
    counters.messages += messages.length;
    counters.events += events;
    if (believesEnd && normaliser.state.ended !== undefined) this.streamEndedAt ??= receivedAt;
  }

  private countFrames(): void {
    const { frames, badFrames } = this.link.stats;
    this.options.counters.frames += frames - this.framesSeen;
    this.options.totals.unreadFrames += badFrames - this.unreadSeen;
    this.framesSeen = frames;
    this.unreadSeen = badFrames;
  }

  private close({ reason, code, message, durationMs, unreadSince }: ConnectionEnd): void {
    this.countFrames();
    const { stats } = this.link;
    this.settle({
      reason: this.streamEndedAt === undefined ? reason : 'stream-end',
      code,
      message,
      durationMs,
      frames: stats.frames,
      messages: stats.messages,
      events: this.events,
      lastMessageAt: stats.lastMessageAt,
      ...(unreadSince === undefined ? {} : { unreadSince }),
      activeMs: Math.max(0, stats.lastMessageAt - stats.openedAt),
      rate: this.rate.perSecond(this.options.clock.now()),
    });
  }
}

/** What a gap after such an end is told as. */
export function gapReasonOf(reason: ConnectionReport['reason'] | StopReason): GapReason {
  switch (reason) {
    case 'silence':
    case 'shutdown':
    case 'paused':
      return reason;
    case 'moved':
    case 'lost':
      return 'takeover';
    case 'removed':
      return 'paused';
    default:
      return 'disconnect';
  }
}
