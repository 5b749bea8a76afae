import { type DataOf, type EventDraft, type GapReason, monitorEventId, TEXT_LENGTH_MAX } from '@tributary/events';
import { storable } from '@tributary/webcast';
import { encodeHandoverState, type HandoverState, type OpenGap } from '../handover/handover-state.js';

/** What the log takes events with; false means that memory is full and nothing was taken. */
export interface Appender {
  append(draft: EventDraft, fence: string, handoverState?: string): boolean;
}

export type MonitorType =
  'monitor.live' | 'monitor.offline' | 'monitor.unwatched' | 'monitor.connected' | 'monitor.disconnected' | 'monitor.gap' | 'monitor.error';

/** Handle and room that an event names. */
export interface EventPlace {
  handle: string;
  roomId: string;
}

export interface CreatorPublisherOptions {
  creatorId: string;
  /** Fence of the lease: every event is appended under it. */
  fence: string;
  log: Appender;
  now(): number;
  onGap(reason: GapReason): void;
}

/** Monitor events that wait for memory, per creator: about ten reconnects' worth. */
const PENDING_MAX = 64;
/** An event may have waited this long in a socket that was not read, in ms. Its own time is trusted within this. */
const UNREAD_MS_MAX = 15_000;

/**
 * Publishes the events of one creator in order, under the fence of one lease, with the state for the next holder. What
 * memory does not take is counted and becomes a `buffer-full` gap. Monitor events are never lost: they wait for memory.
 */
export class CreatorPublisher {
  /** Message and monitor events that the log has taken. */
  events = 0;
  private n = 0;
  private isClosed = false;
  private handover: HandoverState = { roomId: '', live: false };
  private isStateDue = false;
  private readonly pending: EventDraft[] = [];
  private lost: ({ from: number; to: number; count: number } & EventPlace) | undefined;

  constructor(private readonly options: CreatorPublisherOptions) {}

  /** The state that the previous holder left. Call it before anything is published. */
  restoreState(state: HandoverState): void {
    this.handover = state;
  }

  /** What a holder that started now would find. */
  get state(): Readonly<HandoverState> {
    return this.handover;
  }

  /** Changes the state for the next holder; it is written with the next event. */
  updateState(change: Partial<HandoverState>): void {
    this.handover = { ...this.handover, ...change };
    this.isStateDue = true;
  }

  /** Redis has lost the state: it is written again with the next event. */
  rewriteState(): void {
    this.isStateDue = true;
  }

  /** Publishes an event made of a message. Does nothing after {@link close}. */
  publish(draft: EventDraft): void {
    if (this.isClosed) return;
    if (this.hasPending && !this.flushPending()) this.recordLoss(draft);
    else if (!this.append(draft)) this.recordLoss(draft);
  }

  /** Publishes what the system itself knows. */
  publishMonitor<T extends MonitorType>(type: T, place: EventPlace, data: DataOf<T>): void {
    if (this.isClosed) return;
    const draft = this.draft(type, place, data);
    if ((this.hasPending && !this.flushPending()) || !this.append(draft)) this.keepPending(draft);
  }

  /**
   * Publishes an open gap, which ends at `to`. All times are ms since 1970.
   * @param lastSeenAt when the room was last known to be on air, if its stream has ended within the gap
   */
  publishGap(place: EventPlace, { from, reason, rate }: OpenGap, to: number, lastSeenAt?: number): void {
    const missedEstimate = rate === undefined ? undefined : Math.round((rate * Math.max(0, to - from)) / 1000);
    const data = gapData(place.roomId, Math.min(from, to), to, reason, missedEstimate);
    if (lastSeenAt !== undefined) data.lastSeenAt = new Date(Math.min(Math.max(from, lastSeenAt), to)).toISOString();
    this.publishMonitor('monitor.gap', place, data);
    this.options.onGap(reason);
  }

  /** Tries again to publish what memory did not take. Call it about once a second. False while it still cannot. */
  flushPending(): boolean {
    while (this.pending[0]) {
      if (this.isClosed || !this.append(this.pending[0])) return false;
      this.pending.shift();
    }
    if (!this.lost) return true;
    const { from, to, count, ...place } = this.lost;
    const draft = this.draft('monitor.gap', place, gapData(place.roomId, from, to, 'buffer-full', count));
    if (this.isClosed || !this.append(draft)) return false;
    this.lost = undefined;
    this.options.onGap('buffer-full');
    return true;
  }

  /** The lease is gone: what is still pending is inside the gap of the next holder. */
  close(): void {
    this.isClosed = true;
    this.pending.length = 0;
    this.lost = undefined;
  }

  private get hasPending(): boolean {
    return this.lost !== undefined || this.pending.length > 0;
  }

  private append(draft: EventDraft): boolean {
    const state = this.isStateDue ? encodeHandoverState(this.handover) : undefined;
    if (!this.options.log.append(draft, this.options.fence, state)) return false;
    this.isStateDue = false;
    this.events += 1;
    return true;
  }

  private draft<T extends MonitorType>(type: T, { handle, roomId }: EventPlace, data: DataOf<T>): EventDraft {
    const now = this.options.now();
    this.n += 1;
    const id = monitorEventId(this.options.creatorId, this.options.fence, this.n);
    return { id, type, creatorId: this.options.creatorId, handle, roomId, time: now, receivedAt: now, data: cleaned(data) };
  }

  private recordLoss({ time, receivedAt, handle, roomId }: EventDraft): void {
    const at = Math.min(receivedAt, Math.max(time, receivedAt - UNREAD_MS_MAX));
    this.lost ??= { from: at, to: receivedAt, count: 0, handle, roomId };
    this.lost.from = Math.min(this.lost.from, at);
    this.lost.to = Math.max(this.lost.to, receivedAt);
    this.lost.count += 1;
  }

  private keepPending(draft: EventDraft): void {
    this.pending.push(draft);
    if (this.pending.length <= PENDING_MAX) return;
    const dropped = this.pending.shift()!;
    this.recordLoss(dropped);
    // The gap of the loss must include the gap that a dropped event would have reported.
    if (this.lost && dropped.type === 'monitor.gap') {
      this.lost.from = Math.min(this.lost.from, Date.parse((dropped.data as DataOf<'monitor.gap'>).from));
    }
  }
}

/** Data whose texts every store accepts: titles and messages of refusals come from TikTok. */
function cleaned<T>(value: T): T {
  if (typeof value === 'string') return storable(value.slice(0, TEXT_LENGTH_MAX)) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(cleaned) as T;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, cleaned<unknown>(part)])) as T;
}

function gapData(roomId: string, from: number, to: number, reason: GapReason, missedEstimate?: number): DataOf<'monitor.gap'> {
  return {
    ...(roomId === '' ? {} : { roomId }),
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    reason,
    ...(missedEstimate === undefined ? {} : { missedEstimate }),
  };
}
