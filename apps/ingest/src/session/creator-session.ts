import type { CreatorRecord, CreatorStatus, Lease } from '@tributary/creators';
import { backoffMs } from '@tributary/runtime/backoff';
import { LiveDetector, type LiveRoom } from '../discovery/live-detector.js';
import { decodeHandoverState, type HandoverState } from '../handover/handover-state.js';
import type { StandbyConnection } from '../handover/standby-connection.js';
import { StatusTracker } from '../status/status-tracker.js';
import type { CreatorContext } from './creator-context.js';
import { type Appender, CreatorPublisher } from './creator-publisher.js';
import { gapReasonOf, type HandoverTarget, type StopReason } from './room-events.js';
import type { RoomServices } from './room-services.js';
import { RoomSession } from './room-session.js';

/** What the sessions of a worker are made with. */
export interface SessionServices extends RoomServices {
  /** Name of this worker, as statuses show it. */
  worker: string;
  log: Appender;
  /** Between two polls of an offline creator, in ms, on average. */
  pollMs: number;
}

export interface CreatorSessionOptions {
  record: CreatorRecord;
  lease: Lease;
  /** A connection to its room that was opened before this worker had the lease. */
  standby?: StandbyConnection;
}

/** Pause after a bug, so that it cannot repeat in a tight loop. */
const BUG_BACKOFF = { firstMs: 5_000, maxMs: 300_000 };
/** States of a room that is not received for a while. */
const WAITING_STATES: ReadonlySet<CreatorStatus['state']> = new Set(['gated', 'blocked', 'error']);

/** One creator while this worker holds its lease: waits until the creator is live, and receives its rooms. */
export class CreatorSession {
  readonly lease: Lease;
  private readonly creator: CreatorContext;
  private readonly detector: LiveDetector;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private room: RoomSession | undefined;
  private record: CreatorRecord;
  private standby: StandbyConnection | undefined;

  constructor(
    { record, lease, standby }: CreatorSessionOptions,
    private readonly services: SessionServices,
  ) {
    const { clock, log, metrics, worker, poller, pollMs } = services;
    this.record = record;
    this.lease = lease;
    this.standby = standby;
    const publisher = new CreatorPublisher({
      creatorId: record.id,
      fence: lease.fence,
      log,
      now: () => clock.now(),
      onGap: (reason) => metrics.gap(reason),
    });
    const state = inheritedState(lease, standby);
    if (state) publisher.restoreState(state);
    const status = new StatusTracker(worker, clock);
    status.setUser(record.userId);
    this.creator = { record: () => this.record, publisher, status };
    this.detector = new LiveDetector({ creator: this.creator, poller, clock, pollMs });
  }

  /** Whether moving the creator to another worker would interrupt nothing. */
  get isQuiet(): boolean {
    return this.room === undefined || WAITING_STATES.has(this.state);
  }

  /** The room whose messages are received now, and that another worker could receive too. */
  get openRoom(): string | undefined {
    return this.room?.openRoom;
  }

  /** ms since 1970 from which on the room's socket is read without a pause; Infinity where it is not read. */
  get listeningSince(): number {
    return this.room?.listeningSince ?? Infinity;
  }

  /** Messages received by this holder. */
  get messages(): number {
    return this.creator.status.status.counters.messages;
  }

  get state(): CreatorStatus['state'] {
    return this.creator.status.state;
  }

  /** Starts; the session runs until {@link stop}. */
  start(): void {
    this.running ??= this.run(this.stopping.signal);
  }

  /** The record has changed: a new handle counts from the next poll, new options from the next message. */
  update(record: CreatorRecord): void {
    const before = this.record;
    this.record = record;
    if (before.uniqueId !== record.uniqueId || JSON.stringify(before.options) !== JSON.stringify(record.options)) {
      this.room?.update();
      this.detector.wake();
    }
  }

  /**
   * Ends: closes the socket and publishes the end, with the state for the next holder. After `lost` nothing is published.
   * Resolves when the session is over. The log has then taken its last events, but perhaps not appended them yet.
   */
  async stop(reason: StopReason): Promise<void> {
    const { publisher } = this.creator;
    if (reason === 'lost') publisher.close();
    const { room } = this;
    const closed = room?.stop(reason);
    this.stopping.abort();
    this.standby?.discard();
    await closed;
    await this.running;
    if (reason === 'paused' || reason === 'removed') this.publishUnwatched(reason, room);
    if (reason !== 'lost') publisher.flushPending();
    publisher.close();
  }

  /**
   * Ends for a standby connection of another worker that receives the same messages. Resolves when the log has taken the
   * last event; the socket may close later.
   */
  async handOver(reason: StopReason, target: HandoverTarget): Promise<void> {
    const { publisher } = this.creator;
    this.room?.handOver(reason, target);
    this.stopping.abort();
    await this.running;
    publisher.flushPending();
    publisher.close();
  }

  /** Call about once a second: checks for silence, and publishes what memory did not take before. */
  tick(now: number): void {
    if (this.stopping.signal.aborted) return;
    this.room?.tick(now);
    if (this.room) this.detector.markLive(now);
    this.creator.publisher.flushPending();
  }

  /** Events that this holder received between these times may be lost: becomes a gap where a room was received. */
  lostOnDisk(from: number, to: number): void {
    const { publisher } = this.creator;
    const { live, roomId } = publisher.state;
    if (live) publisher.publishGap({ handle: this.record.uniqueId, roomId }, { from, reason: 'buffer-full' }, to);
  }

  /** The lease was restored after Redis lost it: writes the handover state and the status again. */
  restored(): void {
    this.creator.publisher.rewriteState();
    this.publishAgain();
  }

  /** The last status may not have arrived in Redis. */
  publishAgain(): void {
    this.creator.status.publishAgain();
  }

  /** The status if it has to be published. */
  takeStatus(now: number): CreatorStatus | undefined {
    return this.creator.status.takeChanged(now);
  }

  /** The last status of this holder: no worker holds the creator then. */
  finalStatus(reason: StopReason): CreatorStatus {
    const { worker: _worker, queue: _queue, viewers: _viewers, ...rest } = this.creator.status.status;
    if (reason !== 'paused') return rest;
    const { title: _title, lastError: _lastError, ...known } = rest;
    return { ...known, state: 'paused', since: this.services.clock.now() };
  }

  /** Publishes that a live room is no longer watched, and leaves the beginning of the gap for the next holder. */
  private publishUnwatched(reason: 'paused' | 'removed', room: RoomSession | undefined): void {
    const { publisher } = this.creator;
    const { live, roomId, gap } = publisher.state;
    if (!live) return;
    const now = this.services.clock.now();
    const lastSeenAt = Math.min(now, room?.lastSeenAt ?? gap?.from ?? now);
    publisher.updateState({ gap: gap ?? { from: lastSeenAt, reason: gapReasonOf(reason) } });
    const data = { roomId, reason, lastSeenAt: new Date(lastSeenAt).toISOString() };
    publisher.publishMonitor('monitor.unwatched', { handle: this.record.uniqueId, roomId }, data);
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (let bugs = 0; !signal.aborted; bugs += 1) {
      try {
        await this.receiveRooms(signal);
      } catch (error) {
        this.room = undefined;
        const { logger, clock } = this.services;
        logger.error({ creator: this.record.id, err: error }, 'a session failed; this is a bug, it starts again');
        const message = 'the session failed; the reason is in the log of its worker';
        this.creator.status.setState('error', { reason: 'bug', message });
        if (!(await clock.sleep(backoffMs(bugs, BUG_BACKOFF), signal))) return;
      }
    }
  }

  private async receiveRooms(signal: AbortSignal): Promise<void> {
    const { creator, services } = this;
    const { state } = creator.publisher;
    if (!state.live) this.discardStandby();
    let inherited = state.live ? state : undefined;
    let room: LiveRoom | undefined = inherited && { roomId: inherited.roomId };
    while (!signal.aborted) {
      room ??= await this.detector.untilLive(signal);
      if (!room) return;
      const session = new RoomSession({ creator, room, inherited, standby: this.takeStandby(room) }, services);
      this.room = session;
      const outcome = await session.run(signal);
      this.room = undefined;
      inherited = undefined;
      room = outcome.kind === 'moved' ? outcome.room : undefined;
      if (outcome.kind === 'ended' && !(await this.detector.waitAfterRoom(signal))) return;
    }
  }

  /** The standby connection for its own room; it is discarded when the creator's room is another one. */
  private takeStandby({ roomId }: LiveRoom): StandbyConnection | undefined {
    const { standby } = this;
    if (standby?.offer.roomId !== roomId) this.discardStandby();
    this.standby = undefined;
    return standby?.offer.roomId === roomId ? standby : undefined;
  }

  private discardStandby(): void {
    this.standby?.discard();
    this.standby = undefined;
  }
}

/**
 * The state that the previous holder left. A holder that died left no beginning of the gap: it begins at the last event.
 * After Redis lost the state, the standby connection still names the room, and the store the last event.
 */
function inheritedState({ handoverState, lastAt, seen }: Lease, standby: StandbyConnection | undefined): HandoverState | undefined {
  const state = decodeHandoverState(handoverState);
  if (!state && (standby || seen)) {
    const from = Math.min(standby?.takenAt ?? Infinity, seen?.at ?? Infinity);
    return { roomId: standby?.offer.roomId ?? seen?.roomId ?? '', live: true, gap: { from, reason: 'takeover' } };
  }
  if (!state?.live || state.gap || lastAt === undefined) return state;
  return { ...state, gap: { from: lastAt, reason: 'takeover' } };
}
