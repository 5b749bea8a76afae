import type { CreatorRecord, CreatorStatus, Lease } from '@tributary/creators';
import { backoffMs } from '@tributary/runtime/backoff';
import { type CreatorCarry, decodeCreatorCarry } from '../handover/handover-state.js';
import { CreatorVoice } from './creator-publisher.js';
import { LiveWatch } from '../discovery/live-detector.js';
import { gapReasonOf } from './room-connection.js';
import { type HandingOver, type LiveRoom, RoomLife } from './room-session.js';
import type { SessionServices, StopReason } from './session-services.js';
import type { Standby } from '../handover/standby-connection.js';
import { StatusKeeper } from '../status/status-tracker.js';

export interface CreatorSessionOptions {
  services: SessionServices;
  record: CreatorRecord;
  lease: Lease;
  /** A connection to its room that was opened before the lease came. */
  standby?: Standby;
}

/** Rest after a bug, so that it cannot spin. */
const BUG_BOUNDS = { firstMs: 5_000, maxMs: 300_000 };
/** States of a room that is not received for a while. */
const WAITING_STATES: ReadonlySet<CreatorStatus['state']> = new Set(['gated', 'blocked', 'error']);

/** One creator for as long as this worker holds its lease: waits until it is live, and lives through its rooms. */
export class CreatorSession {
  readonly lease: Lease;
  private readonly services: SessionServices;
  private readonly voice: CreatorVoice;
  private readonly status: StatusKeeper;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private life: RoomLife | undefined;
  private current: CreatorRecord;
  private readonly watch: LiveWatch;
  private standby: Standby | undefined;

  constructor({ services, record, lease, standby }: CreatorSessionOptions) {
    this.services = services;
    this.current = record;
    this.lease = lease;
    this.voice = new CreatorVoice({
      creatorId: record.id,
      fence: lease.fence,
      appender: services.appender,
      now: () => services.clock.now(),
      onGap: (reason) => services.onGap(reason),
    });
    this.standby = standby;
    const carry = inheritedFrom(lease, standby);
    if (carry) this.voice.inherit(carry);
    this.status = new StatusKeeper(services.worker, services.clock);
    if (record.userId !== undefined) this.status.user(record.userId);
    this.watch = new LiveWatch({ services, record: () => this.current, voice: this.voice, status: this.status });
  }

  /** Whether moving it to another worker would interrupt nothing. */
  get isQuiet(): boolean {
    return this.life === undefined || WAITING_STATES.has(this.state);
  }

  /** The room whose messages are received now, and may be received by another worker too. */
  get openRoom(): string | undefined {
    return this.life?.openRoom;
  }

  /** ms since 1970 from which on its room's socket is read without a pause; Infinity where it is not read. */
  get listeningSince(): number {
    return this.life?.listeningSince ?? Infinity;
  }

  /** Messages received by this holder. */
  get messages(): number {
    return this.status.status.counters.messages;
  }

  get state(): CreatorStatus['state'] {
    return this.status.state;
  }

  /** Starts; it runs until {@link stop}. */
  start(): void {
    this.running ??= this.run(this.stopping.signal);
  }

  /** The registry's record: a changed handle counts from the next poll, changed options from the next message. */
  update(record: CreatorRecord): void {
    const before = this.current;
    this.current = record;
    if (before.uniqueId !== record.uniqueId || JSON.stringify(before.options) !== JSON.stringify(record.options)) {
      this.life?.update();
      this.watch.wake();
    }
  }

  /**
   * Ends: closes the socket and says so, with what the next holder must know. After `lost` nothing more is said.
   * Resolves when it is over; what was said is then taken by the log, but perhaps not yet appended.
   */
  async stop(reason: StopReason): Promise<void> {
    if (reason === 'lost') this.voice.close();
    const { life } = this;
    const closed = life?.stop(reason);
    this.stopping.abort();
    this.standby?.discard();
    await closed;
    await this.running;
    if (reason === 'paused' || reason === 'removed') this.tellUnwatched(reason, life);
    if (reason !== 'lost') this.voice.settle();
    this.voice.close();
  }

  /**
   * Ends for a standby of another worker that receives the same. Resolves when its last word is taken by the log; the
   * socket closes in its own time.
   */
  async handOver(reason: StopReason, to: HandingOver): Promise<void> {
    this.life?.handOver(reason, to);
    this.stopping.abort();
    await this.running;
    this.voice.settle();
    this.voice.close();
  }

  /** Call about once a second: watches for silence, and says what memory could not take before. */
  tick(now: number): void {
    if (this.stopping.signal.aborted) return;
    this.life?.tick(now);
    if (this.life) this.watch.liveAt(now);
    this.voice.settle();
  }

  /** Events that this holder received between these times may be lost: said as a gap where a room was received. */
  lostOnDisk(from: number, to: number): void {
    const { live, roomId } = this.voice.carried;
    if (live) this.voice.gap({ handle: this.current.uniqueId, roomId }, { from, reason: 'buffer-full' }, to);
  }

  /** The lease was restored after a wipe: what stood beside it and on the board is written again. */
  restored(): void {
    this.voice.noteAgain();
    this.publishAgain();
  }

  /** What was published may not have arrived. */
  publishAgain(): void {
    this.status.publishAgain();
  }

  /** What has to be published, if anything. */
  takeStatus(now: number): CreatorStatus | undefined {
    return this.status.takeChanged(now);
  }

  /** The last status of this holder: nobody holds the creator now. */
  finalStatus(reason: StopReason): CreatorStatus {
    const { worker: _worker, queue: _queue, viewers: _viewers, ...rest } = this.status.status;
    return reason === 'paused' ? { ...rest, state: 'offline' } : rest;
  }

  /** Says that a room which counts as live is watched no more, and leaves the beginning of the gap for whoever resumes. */
  private tellUnwatched(reason: 'paused' | 'removed', life: RoomLife | undefined): void {
    const { live, roomId, gap } = this.voice.carried;
    if (!live) return;
    const now = this.services.clock.now();
    const lastSeenAt = Math.min(now, life?.lastSeenAt ?? gap?.from ?? now);
    this.voice.note({ gap: gap ?? { from: lastSeenAt, reason: gapReasonOf(reason) } });
    const data = { roomId, reason, lastSeenAt: new Date(lastSeenAt).toISOString() };
    this.voice.monitor('monitor.unwatched', { handle: this.current.uniqueId, roomId }, data);
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (let bugs = 0; !signal.aborted; bugs += 1) {
      try {
        await this.live(signal);
      } catch (error) {
        this.life = undefined;
        this.services.logger.error({ creator: this.current.id, err: error }, 'a session failed; this is a bug, it starts again');
        this.status.enter('error', { reason: 'bug', message: 'the session failed; the reason is in the log of its worker' });
        if (!(await this.services.clock.sleep(backoffMs(bugs, BUG_BOUNDS), signal))) return;
      }
    }
  }

  private async live(signal: AbortSignal): Promise<void> {
    const { carried } = this.voice;
    if (!carried.live) this.letGoOfStandby();
    let inherited = carried.live ? carried : undefined;
    let room: LiveRoom | undefined = inherited && { roomId: inherited.roomId };
    while (!signal.aborted) {
      room ??= await this.watch.untilLive(signal);
      if (!room) return;
      const life = new RoomLife({
        services: this.services,
        record: () => this.current,
        voice: this.voice,
        status: this.status,
        room,
        ...(inherited ? { inherited } : {}),
        ...this.standbyFor(room),
      });
      this.life = life;
      const outcome = await life.run(signal);
      this.life = undefined;
      inherited = undefined;
      room = outcome.kind === 'moved' ? outcome.room : undefined;
      if (outcome.kind === 'ended' && !(await this.watch.afterRoom(signal))) return;
    }
  }

  /** The standby goes to the first room if it is its own, and is let go otherwise. */
  private standbyFor({ roomId }: LiveRoom): { standby?: Standby } {
    const { standby } = this;
    if (standby?.offer.roomId !== roomId) {
      this.letGoOfStandby();
      return {};
    }
    this.standby = undefined;
    return { standby };
  }

  private letGoOfStandby(): void {
    this.standby?.discard();
    this.standby = undefined;
  }
}

/**
 * What the previous holder left; one that died left no beginning of the gap. Where a wipe took what it left, its standby
 * still knows the room, and the store the last event that it has.
 */
function inheritedFrom({ carry: text, lastAt, seen }: Lease, standby: Standby | undefined): CreatorCarry | undefined {
  const carry = decodeCreatorCarry(text);
  if (!carry && (standby || seen)) {
    const from = Math.min(standby?.takenAt ?? Infinity, seen?.at ?? Infinity);
    return { roomId: standby?.offer.roomId ?? seen?.roomId ?? '', live: true, gap: { from, reason: 'takeover' } };
  }
  if (!carry?.live || carry.gap || lastAt === undefined) return carry;
  return { ...carry, gap: { from: lastAt, reason: 'takeover' } };
}
