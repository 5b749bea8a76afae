import type { GapReason } from '@tributary/events';
import { backoffMs } from '@tributary/runtime/backoff';
import type { SignFailure } from '@tributary/signing';
import type { ConnectFailure } from '@tributary/webcast';
import type { CreatorRecord } from '@tributary/creators';
import { CARRIED_IDS_MAX, type CreatorCarry, type OpenGap } from './carry.js';
import type { CreatorVoice } from './creator-voice.js';
import { type ConnectionEnd, type Normaliser, RoomConnection } from './room-connection.js';
import type { SessionServices, StopReason } from './session-services.js';
import type { StatusKeeper } from './status-keeper.js';

/** A room as the poll found it. */
export interface LiveRoom {
  roomId: string;
  userId?: string;
  title?: string;
}

/** How a room ended for this holder. `moved`: the creator is live in another room. */
export type RoomOutcome = { kind: 'ended' } | { kind: 'moved'; room: LiveRoom } | { kind: 'stopped' };

type Verdict =
  { kind: 'live' } | { kind: 'moved'; room: LiveRoom } | { kind: 'ended'; confirmedBy: 'streamEnd' | 'poll' } | { kind: 'stopped' };

/** Why a try to connect failed, and when the next one is due. */
interface Setback {
  reason: string;
  message: string;
  waitMs: number;
  /** Refused on purpose, and so waited out; otherwise something failed. */
  block?: 'blocked' | 'gated';
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
}

/** Polls that may contradict a message that ended the stream, before it is taken for a mistake. */
const LOOKS_MAX = 4;
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
  private stopReason: StopReason | undefined;
  private counted = { duplicates: 0, unknown: 0, decodeErrors: 0 };

  constructor(private readonly options: RoomLifeOptions) {
    const { services, inherited } = options;
    this.gap = inherited?.gap;
    this.startedAt = services.clock.now();
    this.normaliser = this.makeNormaliser(inherited?.room, inherited?.ids);
  }

  /** The record has changed: the next message is read by the new options, with everything counted so far. */
  update(): void {
    this.countMessages();
    this.counted = { duplicates: 0, unknown: 0, decodeErrors: 0 };
    const room = this.normaliser.takeCarry();
    if (room !== undefined) this.options.voice.note({ room });
    this.normaliser = this.makeNormaliser(this.options.voice.carried.room, this.normaliser.recentIds());
  }

  /** Runs until the end of the room is confirmed, or `signal` aborts. No connection outlives it. */
  async run(signal: AbortSignal): Promise<RoomOutcome> {
    try {
      return await this.live(signal);
    } finally {
      void this.connection?.end();
    }
  }

  private async live(signal: AbortSignal): Promise<RoomOutcome> {
    const { voice, status, room, inherited } = this.options;
    status.room(room);
    if (!inherited) {
      voice.note({ roomId: room.roomId, live: true, gap: undefined, room: undefined, ids: undefined });
      voice.monitor('monitor.live', this.where(), { roomId: room.roomId, userId: room.userId, title: room.title });
    }
    let isKnownLive = !inherited;
    while (!signal.aborted) {
      if (!isKnownLive) {
        const verdict = await this.look(signal);
        if (verdict.kind === 'stopped') break;
        if (verdict.kind !== 'live') return this.finish(verdict);
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

  /** Call about once a second. */
  tick(now: number): void {
    for (const draft of this.normaliser.sweep(now)) this.options.voice.say(draft);
    this.connection?.tick(now);
    this.countMessages();
  }

  private makeNormaliser(carry: string | undefined, recentIds: readonly string[] | undefined): Normaliser {
    const { services, room } = this.options;
    return services.normaliser({ record: this.options.record(), roomId: room.roomId, carry, recentIds });
  }

  private countMessages(): void {
    const { counters, state } = this.normaliser;
    const { status } = this.options.status;
    for (const name of ['duplicates', 'unknown', 'decodeErrors'] as const) {
      status.counters[name] += counters[name] - this.counted[name];
      this.counted[name] = counters[name];
    }
    if (state.viewers !== undefined) status.viewers = state.viewers;
  }

  private where(): { handle: string; roomId: string } {
    return { handle: this.options.record().uniqueId, roomId: this.options.room.roomId };
  }

  /**
   * Polls until it is clear whether the room still lives. Its end needs two polls, or one beside the message that ended
   * the stream. When TikTok does not say, the room counts as live, unless its stream was ended.
   */
  private async look(signal: AbortSignal): Promise<Verdict> {
    const { polls, clock, timing } = this.options.services;
    let offline = 0;
    for (let tries = 0; tries < LOOKS_MAX; tries += 1) {
      if (tries > 0 && !(await clock.sleep(timing.confirmMs * (1 + Math.random()), signal))) return { kind: 'stopped' };
      const found = await polls.poll(this.options.record().uniqueId, true, signal);
      if (!found) return { kind: 'stopped' };
      if (found.kind === 'live') {
        if (found.roomId !== this.options.room.roomId) return { kind: 'moved', room: found };
        this.options.status.room(found);
        if (!this.isStreamEnded) return { kind: 'live' };
      } else if (found.kind === 'offline' || found.kind === 'not-found') {
        offline += 1;
        if (this.isStreamEnded) return { kind: 'ended', confirmedBy: 'streamEnd' };
        if (offline >= 2) return { kind: 'ended', confirmedBy: 'poll' };
      } else {
        return this.isStreamEnded ? { kind: 'ended', confirmedBy: 'streamEnd' } : { kind: 'live' };
      }
    }
    this.isStreamEnded = false;
    this.believesEnd = false;
    return { kind: 'live' };
  }

  /** Signs and opens a connection, and stays until it ends. A setback says that there was none. */
  private async connect(signal: AbortSignal): Promise<Setback | undefined> {
    const { services, status, voice, room } = this.options;
    const { uniqueId } = this.options.record();
    const isReconnect = this.connections > 0 || this.options.inherited !== undefined;
    if (this.blocks === 0) status.enter(isReconnect ? 'reconnecting' : 'connecting');
    const signed = await services.signs.sign({ roomId: room.roomId, uniqueId }, isReconnect, signal, (ticket) => status.queue(ticket));
    status.queue(undefined);
    if (!signed) return undefined;
    if (!signed.ok) return this.signSetback(signed);
    const connection = new RoomConnection({
      link: (options) => services.link(options),
      bundle: signed.bundle,
      uniqueId,
      normaliser: () => this.normaliser,
      voice,
      counters: status.status.counters,
      totals: services.totals,
      clock: services.clock,
      silenceMs: services.timing.silenceMs * 2 ** Math.min(this.silences, PATIENCE_DOUBLINGS_MAX),
      endLingerMs: services.timing.endLingerMs,
      believesEnd: this.believesEnd,
      onOpen: () => this.opened(connection),
    });
    const result = await connection.connect(signal);
    if (!result.ok) return this.connectSetback(result, signal);
    const end = await connection.ended;
    this.connection = undefined;
    this.closed(connection, end);
    return undefined;
  }

  /** In the turn in which the socket opens, before its first message. */
  private opened(connection: RoomConnection): void {
    const { services, status, voice, room } = this.options;
    const { counters } = status.status;
    this.connection = connection;
    this.connections += 1;
    this.told = undefined;
    this.blocks = 0;
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
    voice.note({ roomId: room.roomId, live: true, gap: undefined, ids: undefined });
    voice.monitor('monitor.connected', this.where(), {
      roomId: room.roomId,
      userId: status.status.userId,
      worker: services.worker,
      connection: this.connections,
      provider: connection.bundle.provider,
    });
    this.tellGap();
    // A stop that came while the socket opened.
    if (this.stopReason) void connection.end();
  }

  private closed(connection: RoomConnection, end: ConnectionEnd): void {
    const { services, status, voice } = this.options;
    const reason = this.stopReason ?? end.reason;
    const isGood = end.activeMs >= services.timing.stableMs;
    this.failures = isGood ? 0 : this.failures + 1;
    this.silences = (isGood ? 0 : this.silences) + (end.reason === 'silence' ? 1 : 0);
    this.isStreamEnded = end.reason === 'stream-end';
    this.gap = { from: end.lastMessageAt, reason: gapReasonOf(reason), rate: end.rate };
    voice.note({ gap: this.gap, ids: this.normaliser.recentIds().slice(-CARRIED_IDS_MAX) });
    voice.monitor('monitor.disconnected', this.where(), {
      roomId: this.options.room.roomId,
      reason,
      code: end.code,
      durationMs: end.durationMs,
      events: end.events,
    });
    status.enter('reconnecting');
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

  private signSetback({ reason, message, retryAfterMs }: SignFailure): Setback {
    const { timing } = this.options.services;
    // The signer says what a poll says: look twice before believing it.
    if (reason === 'offline') return { reason, message, waitMs: timing.confirmMs };
    const block = reason === 'blocked' || reason === 'premium' ? 'blocked' : undefined;
    return { reason: `sign-${reason}`, message, block, waitMs: retryAfterMs ?? this.waitMs(block) };
  }

  private async connectSetback(failure: ConnectFailure, signal: AbortSignal): Promise<Setback> {
    const { message } = failure;
    if (failure.reason !== 'refused') return { reason: `connect-${failure.reason}`, message, waitMs: this.waitMs() };
    const { refusal, retryAfterMs } = failure;
    const isRefusedOnPurpose = refusal === 'device-blocked' || refusal === 'forbidden' || refusal === 'rate-limited';
    const isGated = refusal === 'forbidden' && (await this.options.services.isGated(this.options.room.roomId, signal));
    const block = isGated ? 'gated' : isRefusedOnPurpose ? 'blocked' : undefined;
    return { reason: `connect-${refusal}`, message, block, waitMs: retryAfterMs ?? this.waitMs(block) };
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
    const isReconnect = this.connections > 0 || this.options.inherited !== undefined;
    status.enter(block ?? (isReconnect ? 'reconnecting' : 'connecting'), { reason, message, retryAt });
    if ((block || this.failures >= FAILURES_TOLD) && this.told !== reason) {
      this.told = reason;
      voice.note({ gap: this.gap });
      voice.monitor('monitor.error', this.where(), { reason, message, retryAt: new Date(retryAt).toISOString() });
      services.logger.warn({ creator: this.options.record().id, ...this.where(), reason, said: message, waitMs }, 'cannot connect');
    }
    return waitMs;
  }

  private tellGap(): void {
    const { services, status, voice } = this.options;
    if (!this.gap) return;
    voice.gap(this.where(), this.gap, services.clock.now());
    status.status.counters.gaps += 1;
    this.gap = undefined;
  }

  /** The end is confirmed. A stream that ended while it was connected left nothing out. */
  private finish(verdict: Extract<Verdict, { kind: 'moved' | 'ended' }>): RoomOutcome {
    const { status, voice, room } = this.options;
    const confirmedBy = verdict.kind === 'ended' ? verdict.confirmedBy : this.isStreamEnded ? 'streamEnd' : 'poll';
    if (!this.isStreamEnded) this.tellGap();
    voice.note({ roomId: room.roomId, live: false, gap: undefined, room: undefined, ids: undefined });
    voice.monitor('monitor.offline', this.where(), { roomId: room.roomId, confirmedBy });
    delete status.status.viewers;
    status.enter('offline');
    return verdict.kind === 'moved' ? verdict : { kind: 'ended' };
  }
}

function gapReasonOf(reason: ConnectionEnd['reason'] | StopReason): GapReason {
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
