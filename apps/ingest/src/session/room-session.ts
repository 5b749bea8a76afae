import { backoffMs } from '@tributary/runtime/backoff';
import type { ConnectionEnd } from '@tributary/webcast';
import type { LiveRoom } from '../discovery/live-detector.js';
import type { HandoverState } from '../handover/handover-state.js';
import type { StandbyConnection } from '../handover/standby-connection.js';
import { RETRY_BACKOFF } from '../pacing/backoff-bounds.js';
import type { RoomBundle } from '../signing/sign-scheduler.js';
import { type ConnectFailure, fromSignFailure, fromSocketFailure } from './connect-failure.js';
import type { CreatorContext } from './creator-context.js';
import { EndCheck, type EndCheckResult } from './end-check.js';
import { type ConnectionReport, MessagePipeline } from './message-pipeline.js';
import { type HandoverTarget, RoomEvents, type StopReason } from './room-events.js';
import type { Connection, ConnectionOptions, RoomServices } from './room-services.js';
import { SilenceDetector } from './silence-detector.js';

export interface RoomSessionOptions {
  creator: CreatorContext;
  room: LiveRoom;
  /** State of a previous holder of this room: its end is checked before connecting, and it is not announced again. */
  inherited?: HandoverState;
  /** An open connection to the room, which is used first. */
  standby?: StandbyConnection;
}

/** How a room ended for this holder. `moved`: the creator is live in another room. */
export type RoomOutcome = { kind: 'ended' } | { kind: 'moved'; room: LiveRoom } | { kind: 'stopped' };

/** A first connection later than this after the room was found leaves a gap that is published. */
const LATE_MS = 10_000;
/** Failures in a row before one is published as an event. */
const FAILURES_PUBLISHED_MIN = 3;
/** A connection that was active this long was a good one: the next reconnect is quick again. */
const STABLE_MS = 10_000;
/** How long the server may take to close after the message that ends the stream. */
const END_LINGER_MS = 2_000;

/** One room from the moment it is known to be live until its end is confirmed, over all connections to it. */
export class RoomSession {
  private readonly pipeline: MessagePipeline;
  private readonly silence: SilenceDetector;
  private readonly endCheck: EndCheck;
  private readonly events: RoomEvents;
  private connection: Connection | undefined;
  private readonly startedAt: number;
  /** ms since 1970 when the room was last known to be on air. */
  private seenAt: number;
  private connections = 0;
  private readonly counts = { failures: 0, blocks: 0 };
  /** Reason of the failure that was last published as an event. */
  private publishedReason: string | undefined;
  private isStreamEnded = false;
  private trustsEndMessage = true;
  /** The socket refused the last bundle. */
  private isBundleRefused = false;
  private stopReason: StopReason | undefined;
  private handoverTarget: HandoverTarget | undefined;
  private standby: StandbyConnection | undefined;
  private settleEnd: (end: ConnectionEnd) => void = () => undefined;

  constructor(
    private readonly options: RoomSessionOptions,
    private readonly services: RoomServices,
  ) {
    const { creator, room, inherited } = options;
    const { clock, poller, rooms, metrics, silenceMs } = services;
    this.startedAt = clock.now();
    this.seenAt = inherited?.gap?.from ?? this.startedAt;
    this.standby = options.standby;
    this.pipeline = new MessagePipeline({
      creator,
      roomId: room.roomId,
      makeNormaliser: (normaliser) => rooms.normaliser(normaliser),
      totals: metrics.totals,
      savedState: inherited?.room,
      recentIds: inherited?.ids,
    });
    this.silence = new SilenceDetector(silenceMs);
    this.endCheck = new EndCheck({ creator, roomId: room.roomId, poller, clock });
    this.events = new RoomEvents({ creator, room, clock, gap: inherited?.gap });
  }

  /** Runs until the end of the room is confirmed, or `signal` aborts. No connection outlives it. */
  async run(signal: AbortSignal): Promise<RoomOutcome> {
    try {
      return await this.connectUntilEnd(signal);
    } finally {
      if (!this.handoverTarget) void this.connection?.close();
      this.standby?.discard();
    }
  }

  /** The record has changed: the next message is read with the new options. */
  update(): void {
    this.pipeline.update();
  }

  /** Ends the connection in an orderly way; the next holder publishes the gap. Resolves when the socket is closed. */
  async stop(reason: StopReason): Promise<void> {
    this.stopReason = reason;
    await this.connection?.close();
  }

  /** Ends as {@link stop} does, for a standby connection that receives the room too: it does not wait for the socket to close. */
  handOver(reason: StopReason, target: HandoverTarget): void {
    this.stopReason = reason;
    this.handoverTarget = target;
    if (!this.connection) return;
    const durationMs = this.services.clock.now() - this.connection.stats.openedAt;
    this.settleEnd({ reason: 'closed-by-us', code: 1000, message: 'handed over', durationMs });
    void this.connection.close();
  }

  /** The room, while its messages are received and nothing speaks for its end. */
  get openRoom(): string | undefined {
    const isOpen = this.connection !== undefined && this.pipeline.streamEndedAt === undefined && this.stopReason === undefined;
    return isOpen ? this.options.room.roomId : undefined;
  }

  /** ms since 1970 when the room was last known to be on air: by its connection, or by a poll. */
  get lastSeenAt(): number {
    return this.connection ? this.services.clock.now() : this.seenAt;
  }

  /** ms since 1970 from which on its socket is read without a pause; Infinity where it is not read. */
  get listeningSince(): number {
    return this.connection?.stats.listeningSince ?? Infinity;
  }

  /** Call about once a second: closes a connection that is silent, or whose stream has ended. */
  tick(now: number): void {
    this.pipeline.tick(now);
    const { connection } = this;
    if (!connection) return;
    this.options.creator.status.noteKnown(true);
    const { streamEndedAt, isPaused } = this.pipeline;
    if (streamEndedAt === undefined) {
      if (this.silence.isSilent(connection.stats, isPaused, now)) void connection.close('silence');
    } else if (now - streamEndedAt >= END_LINGER_MS) void connection.close();
  }

  private async connectUntilEnd(signal: AbortSignal): Promise<RoomOutcome> {
    const { creator, room, inherited } = this.options;
    creator.status.setRoom(room);
    if (!inherited) {
      creator.status.noteKnown(true);
      this.events.live();
    }
    let isKnownLive = !inherited || this.standby !== undefined;
    if (!isKnownLive) creator.status.setState('reconnecting');
    while (!signal.aborted) {
      if (!isKnownLive) {
        const result = await this.checkEnd(signal);
        if (result.kind === 'stopped') break;
        if (result.kind !== 'live') return this.finish(result);
      }
      isKnownLive = false;
      const failure = await this.connect(signal);
      if (signal.aborted) break;
      const waitMs = failure ? this.noteFailure(failure) : this.reconnectDelayMs();
      if (!(await this.services.clock.sleep(waitMs, signal))) break;
    }
    return { kind: 'stopped' };
  }

  private async checkEnd(signal: AbortSignal): Promise<EndCheckResult> {
    const { isStreamEnded, counts, events } = this;
    const result = await this.endCheck.run({ isStreamEnded, failures: counts.failures, lastReceivedAt: events.gapFrom }, signal);
    if (result.kind !== 'live') return result;
    if (result.room) {
      this.seenAt = this.services.clock.now();
      this.options.creator.status.noteKnown(true);
      this.options.creator.status.setRoom(result.room);
    }
    if (result.isEndMistaken) {
      this.isStreamEnded = false;
      this.trustsEndMessage = false;
    }
    return result;
  }

  /** Signs, opens a connection, and waits until it ends. Returns why there was no connection, if there was none. */
  private async connect(signal: AbortSignal): Promise<ConnectFailure | undefined> {
    const { creator, room } = this.options;
    const { rooms, poller } = this.services;
    const { standby } = this;
    this.standby = undefined;
    const bundle = standby?.bundle ?? (await this.sign(signal));
    if (!bundle || 'reason' in bundle) return bundle;
    const missingUntil = standby?.missingUntil(creator.publisher.state);
    if (standby && missingUntil === undefined) this.events.dropGap();
    const ended = new Promise<ConnectionEnd>((resolve) => (this.settleEnd = resolve));
    const connectionOptions: ConnectionOptions = {
      bundle,
      uniqueId: creator.record().uniqueId,
      onOpen: () => this.opened(connection, bundle.provider, missingUntil),
      onMessages: (messages, receivedAt) => this.pipeline.receive(messages, receivedAt),
      onClose: this.settleEnd,
    };
    const connection: Connection = standby ? standby.adopt(connectionOptions) : rooms.connection(connectionOptions);
    const result = await connection.connect(signal);
    if (!result.ok) {
      this.isBundleRefused = result.reason === 'refused';
      return fromSocketFailure(result, this.counts, () => poller.isGated(creator.record(), room.roomId, signal));
    }
    const end = await ended;
    this.connection = undefined;
    this.closed(this.pipeline.endConnection(end, this.services.clock.now()), bundle.provider);
    return undefined;
  }

  /** Waits for a sign call. Undefined when `signal` aborts. */
  private async sign(signal: AbortSignal): Promise<RoomBundle | ConnectFailure | undefined> {
    const { creator, room } = this.options;
    const { status } = creator;
    const { isReconnect } = this;
    if (this.counts.blocks === 0) status.setState(isReconnect ? 'reconnecting' : 'connecting');
    const signed = await this.services.signer.sign(
      { roomId: room.roomId, creator: creator.record(), fresh: this.isBundleRefused || undefined },
      isReconnect,
      signal,
      (ticket) => status.setTicket(ticket),
      () => this.endCheck.isOnAir(signal),
    );
    status.setTicket(undefined);
    if (!signed || signed.ok) return signed?.bundle;
    return fromSignFailure(signed, this.counts);
  }

  /** Runs when the socket opens, before its first message. A standby connection's messages reach back to `missingUntil`. */
  private opened(connection: Connection, provider: string, missingUntil: number | undefined): void {
    const { creator, inherited } = this.options;
    const { clock, metrics } = this.services;
    const now = clock.now();
    this.pipeline.startConnection(connection.stats, now, this.trustsEndMessage);
    this.silence.startConnection();
    this.connection = connection;
    this.connections += 1;
    this.publishedReason = undefined;
    this.counts.blocks = 0;
    this.isBundleRefused = false;
    if (this.connections > 1) {
      creator.status.status.counters.reconnects += 1;
      metrics.reconnect();
    }
    creator.status.setState('live');
    // What the room sent while it waited for a sign call was not received.
    if (this.connections === 1 && !inherited && now - this.startedAt >= LATE_MS) this.events.openGap(this.startedAt, 'blocked');
    this.events.connected(this.connections, provider);
    this.events.publishGap(missingUntil);
    // A stop that came while the socket opened.
    if (this.stopReason) void connection.close();
  }

  private closed(report: ConnectionReport, provider: string): void {
    const { creator } = this.options;
    const { metrics, logger } = this.services;
    const reason = this.stopReason ?? report.reason;
    const isGood = report.activeMs >= STABLE_MS && report.reason !== 'unreadable';
    this.counts.failures = isGood ? 0 : this.counts.failures + 1;
    this.silence.endConnection(isGood, report.reason === 'silence');
    this.isStreamEnded = report.reason === 'stream-end';
    this.seenAt = Math.max(this.seenAt, report.lastMessageAt);
    this.events.disconnected(report, reason, this.pipeline.recentIds(), this.handoverTarget);
    if (!this.handoverTarget) creator.status.setState('reconnecting');
    metrics.connectionEnd(report);
    const { code, message: detail, durationMs, frames, messages, events } = report;
    const gapFrom = new Date(this.events.gapFrom ?? report.lastMessageAt).toISOString();
    const counted = { durationMs, frames, messages, events, gapFrom };
    const { connections: connection } = this;
    const what = { creator: creator.record().id, ...this.events.place, connection, provider, reason, code, detail };
    logger.info({ ...what, ...counted }, 'connection ended');
  }

  private reconnectDelayMs(): number {
    return this.isStreamEnded ? 0 : backoffMs(this.counts.failures, RETRY_BACKOFF);
  }

  private get isReconnect(): boolean {
    return this.connections > 0 || this.options.inherited !== undefined;
  }

  /** Shows why there is no connection; returns how long to wait, in ms. */
  private noteFailure({ reason, message, waitMs, block }: ConnectFailure): number {
    const { status, record } = this.options.creator;
    const { clock, logger } = this.services;
    const { counts } = this;
    const retryAt = clock.now() + waitMs;
    counts.failures += 1;
    counts.blocks = block ? counts.blocks + 1 : 0;
    this.events.openGap(this.startedAt, block ? 'blocked' : 'disconnect');
    status.setState(block ?? (this.isReconnect ? 'reconnecting' : 'connecting'), { reason, message, retryAt });
    if ((block || counts.failures >= FAILURES_PUBLISHED_MIN) && this.publishedReason !== reason) {
      this.publishedReason = reason;
      this.events.error(reason, message, retryAt);
      logger.warn({ creator: record().id, ...this.events.place, reason, detail: message, waitMs }, 'cannot connect');
    }
    return waitMs;
  }

  /** The end is confirmed. A stream that ended while it was received left nothing out. */
  private finish(result: Extract<EndCheckResult, { kind: 'moved' | 'ended' }>): RoomOutcome {
    const { status } = this.options.creator;
    if (!this.isStreamEnded) this.events.publishGap(undefined, this.seenAt);
    const confirmedBy = result.kind === 'ended' ? result.confirmedBy : this.isStreamEnded ? 'streamEnd' : 'poll';
    this.events.offline(confirmedBy, this.seenAt);
    status.setState('offline');
    return result.kind === 'moved' ? result : { kind: 'ended' };
  }
}
