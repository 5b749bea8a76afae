import { backoffMs } from '@tributary/runtime/backoff';
import type { CreatorRecord } from '@tributary/creators';
import { Cadence } from './silence-detector.js';
import { CARRIED_IDS_MAX, type CreatorCarry, HANDED_IDS_MAX, type OpenGap } from '../handover/handover-state.js';
import type { CreatorVoice } from './creator-publisher.js';
import { type ConnectionReport, gapReasonOf, type Normaliser, RoomConnection } from './room-connection.js';
import { RoomCheck, type RoomVerdict } from './room-check.js';
import type { SessionServices, StopReason } from './session-services.js';
import type { RoomBundle } from '../signing/sign-scheduler.js';
import { connectSetback, type Setback, signSetback } from './connect-failure.js';
import type { Standby } from '../handover/standby-connection.js';
import type { StatusKeeper } from '../status/status-tracker.js';

/** A room as the poll found it. */
export interface LiveRoom {
  roomId: string;
  userId?: string;
  title?: string;
}

/** How a room ended for this holder. `moved`: the creator is live in another room. */
export type RoomOutcome = { kind: 'ended' } | { kind: 'moved'; room: LiveRoom } | { kind: 'stopped' };

/** To which standby a room is handed over, and how many of its messages that standby has received too, at most. */
export interface HandingOver {
  token: string;
  messages: number;
}

export interface RoomLifeOptions {
  services: SessionServices;
  /** The record as it is now: options and handle may change while the room lives. */
  record(): CreatorRecord;
  voice: CreatorVoice;
  status: StatusKeeper;
  room: LiveRoom;
  /** What a previous holder said of this room: then it is looked at before it is connected to, and not announced again. */
  inherited?: CreatorCarry;
  /** An open connection to it, which is used first. */
  standby?: Standby;
}

/** Silence doubles the patience up to this many times: 60 s become 16 minutes. */
const PATIENCE_DOUBLINGS_MAX = 4;
/** A first connection later than this after the room was found leaves a gap worth telling. */
const LATE_MS = 10_000;
/** Failures in a row before one is told as an event. */
const FAILURES_TOLD = 3;

/** One room from the moment it is known to be live until its end is confirmed: connects, and connects again. */
export class RoomLife {
  private normaliser: Normaliser;
  private connection: RoomConnection | undefined;
  private gap: OpenGap | undefined;
  private readonly startedAt: number;
  private connections = 0;
  /** Failed tries, and connections that were not good, in a row. */
  private failures = 0;
  private blocks = 0;
  private silences = 0;
  private told: string | undefined;
  private isStreamEnded = false;
  private believesEnd = true;
  /** The socket refused the last bundle. */
  private isRefused = false;
  private readonly cadence = new Cadence();
  private stopReason: StopReason | undefined;
  private handing: HandingOver | undefined;
  private standby: Standby | undefined;
  private readonly check: RoomCheck;
  /** ms since 1970 when the room was last known to be on air. */
  private seenAt: number;

  constructor(private readonly options: RoomLifeOptions) {
    const { services, inherited, room } = options;
    this.gap = inherited?.gap;
    this.standby = options.standby;
    this.startedAt = services.clock.now();
    this.seenAt = inherited?.gap?.from ?? this.startedAt;
    this.check = new RoomCheck({ services, record: () => options.record(), roomId: room.roomId });
    this.normaliser = this.makeNormaliser(inherited?.room, inherited?.ids);
  }

  /** The record has changed: the next message is read by the new options, with everything counted so far. */
  update(): void {
    this.options.status.count(this.normaliser);
    const room = this.normaliser.takeCarry();
    if (room !== undefined) this.options.voice.note({ room });
    this.normaliser = this.makeNormaliser(this.options.voice.carried.room, this.normaliser.recentIds());
  }

  /** Runs until the end of the room is confirmed, or `signal` aborts. No connection outlives it. */
  async run(signal: AbortSignal): Promise<RoomOutcome> {
    try {
      return await this.live(signal);
    } finally {
      if (!this.handing) void this.connection?.end();
      this.standby?.discard();
    }
  }

  private async live(signal: AbortSignal): Promise<RoomOutcome> {
    const { voice, status, room, inherited } = this.options;
    status.room(room);
    if (!inherited) {
      voice.note({ roomId: room.roomId, live: true, gap: undefined, room: undefined, ids: undefined, handedTo: undefined });
      voice.monitor('monitor.live', this.where(), { roomId: room.roomId, userId: room.userId, title: room.title });
    }
    let isKnownLive = !inherited || this.standby !== undefined;
    if (!isKnownLive) status.enter('reconnecting');
    while (!signal.aborted) {
      if (!isKnownLive) {
        const { isStreamEnded, failures, gap } = this;
        const verdict = await this.check.run({ isStreamEnded, failures, receivedAt: gap?.from }, signal);
        if (verdict.kind === 'stopped') break;
        if (verdict.kind !== 'live') return this.finish(verdict);
        this.seen(verdict);
      }
      isKnownLive = false;
      const setback = await this.connect(signal);
      if (signal.aborted) break;
      const waitMs = setback ? this.setBack(setback) : this.afterConnection();
      if (!(await this.options.services.clock.sleep(waitMs, signal))) break;
    }
    return { kind: 'stopped' };
  }

  /** Ends the connection in an orderly way; the one who takes over tells the gap. Resolves when the socket is closed. */
  async stop(reason: StopReason): Promise<void> {
    this.stopReason = reason;
    await this.connection?.end();
  }

  /** Ends as {@link stop} does, but for a standby that receives the room too: it does not wait for the socket to close. */
  handOver(reason: StopReason, to: HandingOver): void {
    this.stopReason = reason;
    this.handing = to;
    this.connection?.leave();
  }

  /** The room, while its messages are received and nothing speaks for its end. */
  get openRoom(): string | undefined {
    const isOpen = this.connection !== undefined && !this.connection.isEnding && this.stopReason === undefined;
    return isOpen ? this.options.room.roomId : undefined;
  }

  /** ms since 1970 when the room was last known to be on air: by a message of it, or by a poll. */
  get lastSeenAt(): number {
    return this.connection ? this.options.services.clock.now() : this.seenAt;
  }

  /** ms since 1970 from which on its socket is read without a pause; Infinity where it is not read. */
  get listeningSince(): number {
    return this.connection?.listeningSince ?? Infinity;
  }

  /** Call about once a second. */
  tick(now: number): void {
    for (const draft of this.normaliser.sweep(now)) this.options.voice.say(draft);
    this.connection?.tick(now);
    this.options.status.count(this.normaliser);
  }

  private makeNormaliser(carry: string | undefined, recentIds: readonly string[] | undefined): Normaliser {
    const { services, room } = this.options;
    return services.normaliser({ record: this.options.record(), roomId: room.roomId, carry, recentIds });
  }

  private where(): { handle: string; roomId: string } {
    return { handle: this.options.record().uniqueId, roomId: this.options.room.roomId };
  }

  /** Signs and opens a connection, and stays until it ends. A setback says that there was none. */
  private async connect(signal: AbortSignal): Promise<Setback | undefined> {
    const { services, status, voice } = this.options;
    const { uniqueId } = this.options.record();
    const { standby } = this;
    this.standby = undefined;
    const bundle = standby?.bundle ?? (await this.sign(signal));
    if (!bundle || 'reason' in bundle) return bundle;
    const gapTo = standby?.missingUntil(voice.carried);
    if (standby && gapTo === undefined) this.gap = undefined;
    const connection = new RoomConnection({
      link: (options) => (standby ? standby.adopt(options) : services.link(options)),
      bundle,
      uniqueId,
      normaliser: () => this.normaliser,
      voice,
      counters: status.status.counters,
      totals: services.totals,
      clock: services.clock,
      silenceMs: services.timing.silenceMs,
      cadence: this.cadence,
      patience: 2 ** Math.min(this.silences, PATIENCE_DOUBLINGS_MAX),
      endLingerMs: services.timing.endLingerMs,
      believesEnd: this.believesEnd,
      onOpen: () => this.opened(connection, gapTo),
    });
    const result = await connection.connect(signal);
    if (!result.ok) {
      this.isRefused = result.reason === 'refused';
      const isGated = () => services.isGated(this.options.room.roomId, signal, bundle.proxy);
      return connectSetback(result, isGated, (block) => this.waitMs(block));
    }
    const end = await connection.ended;
    this.connection = undefined;
    this.closed(connection, end);
    return undefined;
  }

  /** The room counts as live: what a poll told of it is shown, and a message that ended its stream was a mistake. */
  private seen({ room, isEndMistaken }: Extract<RoomVerdict, { kind: 'live' }>): void {
    if (room) {
      this.seenAt = this.options.services.clock.now();
      this.options.status.room(room);
    }
    if (!isEndMistaken) return;
    this.isStreamEnded = false;
    this.believesEnd = false;
  }

  /** Whether the room is still on air, as far as TikTok says. */
  private async isThere(signal: AbortSignal): Promise<boolean> {
    const { services, room } = this.options;
    const opened = services.secrets(this.options.record());
    return !opened.ok || (await services.polls.isAlive(room.roomId, false, signal, opened.secrets.proxy)) !== false;
  }

  /** Waits for its turn and signs. Undefined when `signal` aborts. */
  private async sign(signal: AbortSignal): Promise<RoomBundle | Setback | undefined> {
    const { services, status, room } = this.options;
    const { isReconnect } = this;
    if (this.blocks === 0) status.enter(isReconnect ? 'reconnecting' : 'connecting');
    const signed = await services.signs.sign(
      { roomId: room.roomId, creator: this.options.record(), fresh: this.isRefused || undefined },
      isReconnect,
      signal,
      (ticket) => status.queue(ticket),
      () => this.isThere(signal),
    );
    status.queue(undefined);
    if (!signed || signed.ok) return signed?.bundle;
    return signSetback(signed, services.timing.confirmMs, (block) => this.waitMs(block));
  }

  /** In the turn in which the socket opens, before its first message. A standby's messages reach back to `gapTo`. */
  private opened(connection: RoomConnection, gapTo: number | undefined): void {
    const { services, status, voice, room } = this.options;
    const { counters } = status.status;
    this.connection = connection;
    this.connections += 1;
    this.told = undefined;
    this.blocks = 0;
    this.isRefused = false;
    if (this.connections > 1) {
      counters.reconnects += 1;
      services.onReconnect();
    }
    status.enter('live');
    const now = services.clock.now();
    // What the room said while it waited for its turn to sign was not received either.
    if (this.connections === 1 && !this.options.inherited && now - this.startedAt >= LATE_MS) {
      this.gap ??= { from: this.startedAt, reason: 'blocked' };
    }
    voice.note({ roomId: room.roomId, live: true, gap: undefined, ids: undefined, handedTo: undefined });
    voice.monitor('monitor.connected', this.where(), {
      roomId: room.roomId,
      userId: status.status.userId,
      worker: services.worker,
      connection: this.connections,
      provider: connection.bundle.provider,
    });
    this.tellGap(gapTo);
    // A stop that came while the socket opened.
    if (this.stopReason) void connection.end();
  }

  private closed(connection: RoomConnection, end: ConnectionReport): void {
    const { services, status, voice } = this.options;
    const reason = this.stopReason ?? end.reason;
    const isGood = end.activeMs >= services.timing.stableMs && end.reason !== 'unreadable';
    this.failures = isGood ? 0 : this.failures + 1;
    this.silences = (isGood ? 0 : this.silences) + (end.reason === 'silence' ? 1 : 0);
    this.isStreamEnded = end.reason === 'stream-end';
    const from = Math.min(end.lastMessageAt, end.unreadSince ?? Infinity);
    this.gap = { from, reason: gapReasonOf(reason), rate: end.rate };
    this.seenAt = Math.max(this.seenAt, end.lastMessageAt);
    const { handing } = this;
    const idsMax = Math.min(HANDED_IDS_MAX, (handing?.messages ?? 0) + CARRIED_IDS_MAX);
    voice.note({ gap: this.gap, ids: this.normaliser.recentIds().slice(-idsMax), handedTo: handing?.token });
    voice.monitor('monitor.disconnected', this.where(), {
      roomId: this.options.room.roomId,
      reason,
      code: end.code,
      durationMs: end.durationMs,
      events: end.events,
    });
    if (!handing) status.enter('reconnecting');
    services.onConnectionEnd(end);
    const { frames, messages, events, durationMs, code, message } = end;
    services.logger.info(
      {
        creator: this.options.record().id,
        ...this.where(),
        connection: this.connections,
        provider: connection.bundle.provider,
        reason,
        code,
        said: message,
        durationMs,
        frames,
        messages,
        events,
        gapFrom: new Date(this.gap.from).toISOString(),
      },
      'connection ended',
    );
  }

  private afterConnection(): number {
    return this.isStreamEnded ? 0 : backoffMs(this.failures, this.options.services.timing.reconnect);
  }

  private get isReconnect(): boolean {
    return this.connections > 0 || this.options.inherited !== undefined;
  }

  private waitMs(block?: Setback['block']): number {
    const { reconnect, block: blockBounds } = this.options.services.timing;
    return block ? backoffMs(this.blocks, blockBounds) : backoffMs(this.failures, reconnect);
  }

  /** Shows and tells why there is no connection; returns how long to wait, in ms. */
  private setBack({ reason, message, waitMs, block }: Setback): number {
    const { services, status, voice } = this.options;
    const retryAt = services.clock.now() + waitMs;
    this.failures += 1;
    this.blocks = block ? this.blocks + 1 : 0;
    this.gap ??= { from: this.startedAt, reason: block ? 'blocked' : 'disconnect' };
    const { isReconnect } = this;
    status.enter(block ?? (isReconnect ? 'reconnecting' : 'connecting'), { reason, message, retryAt });
    if ((block || this.failures >= FAILURES_TOLD) && this.told !== reason) {
      this.told = reason;
      voice.note({ gap: this.gap });
      voice.monitor('monitor.error', this.where(), { reason, message, retryAt: new Date(retryAt).toISOString() });
      services.logger.warn({ creator: this.options.record().id, ...this.where(), reason, said: message, waitMs }, 'cannot connect');
    }
    return waitMs;
  }

  /** Tells the open gap; `lastSeenAt`: the room has ended in it, and was last known to be on air then. */
  private tellGap(to = this.options.services.clock.now(), lastSeenAt?: number): void {
    const { status, voice } = this.options;
    if (!this.gap) return;
    voice.gap(this.where(), this.gap, Math.max(to, this.gap.from), lastSeenAt);
    status.status.counters.gaps += 1;
    this.gap = undefined;
  }

  /** The end is confirmed. A stream that ended while it was connected left nothing out. */
  private finish(verdict: Extract<RoomVerdict, { kind: 'moved' | 'ended' }>): RoomOutcome {
    const { services, status, voice, room } = this.options;
    const lastSeenAt = new Date(Math.min(this.seenAt, services.clock.now())).toISOString();
    const confirmedBy = verdict.kind === 'ended' ? verdict.confirmedBy : this.isStreamEnded ? 'streamEnd' : 'poll';
    if (!this.isStreamEnded) this.tellGap(undefined, this.seenAt);
    voice.note({ roomId: room.roomId, live: false, gap: undefined, room: undefined, ids: undefined, handedTo: undefined });
    voice.monitor('monitor.offline', this.where(), { roomId: room.roomId, confirmedBy, lastSeenAt });
    delete status.status.viewers;
    status.enter('offline');
    return verdict.kind === 'moved' ? verdict : { kind: 'ended' };
  }
}
