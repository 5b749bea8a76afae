import { type DataOf, type EventDraft, type GapReason, monitorEventId, TEXT_LENGTH_MAX } from '@tributary/events';
import { storable } from '@tributary/webcast';
import { encodeCreatorCarry, type CreatorCarry, type OpenGap } from '../handover/handover-state.js';

/** What the log takes events with; false means that memory is full and nothing was taken. */
export interface Appender {
  append(draft: EventDraft, fence: string, carry?: string): boolean;
}

export type MonitorType =
  'monitor.live' | 'monitor.offline' | 'monitor.unwatched' | 'monitor.connected' | 'monitor.disconnected' | 'monitor.gap' | 'monitor.error';

export interface CreatorVoiceOptions {
  creatorId: string;
  /** Fence of the lease: everything is said under it. */
  fence: string;
  appender: Appender;
  now(): number;
  onGap(reason: GapReason): void;
}

/** Monitor events that wait for memory, per creator: about ten reconnects' worth. */
const UNSAID_MAX = 64;
/** A lost event may have waited this long in a socket that was not read, in ms: what it stood for is as old as TikTok says, within this. */
const UNREAD_MS_MAX = 15_000;

/**
 * Everything one holder says of one creator, in order and under one fence. What memory cannot take is counted, and told
 * as a `buffer-full` gap as soon as it can; monitor events wait for that moment instead of being lost.
 */
export class CreatorVoice {
  /** Messages and monitor events that were said. */
  events = 0;
  private n = 0;
  private closed = false;
  private carry: CreatorCarry = { roomId: '', live: false };
  private isCarryDue = false;
  private readonly unsaid: EventDraft[] = [];
  private lost: { from: number; to: number; count: number; handle: string; roomId: string } | undefined;

  constructor(private readonly options: CreatorVoiceOptions) {}

  /** What the previous holder left, before anything is said. */
  inherit(carry: CreatorCarry): void {
    this.carry = carry;
  }

  /** What a holder that started now would inherit. */
  get carried(): Readonly<CreatorCarry> {
    return this.carry;
  }

  /** Changes what the next holder must know; it is written with the next event. */
  note(change: Partial<CreatorCarry>): void {
    this.carry = { ...this.carry, ...change };
    this.isCarryDue = true;
  }

  /** Redis has forgotten what stood beside the lease: it is written again with the next event. */
  noteAgain(): void {
    this.isCarryDue = true;
  }

  /** Says an event made of a message. Nothing is said after {@link close}. */
  say(draft: EventDraft): void {
    if (this.closed) return;
    if (this.hasArrears && !this.settle()) this.lose(draft);
    else if (!this.append(draft)) this.lose(draft);
  }

  /** Says what the system itself knows. */
  monitor<T extends MonitorType>(type: T, where: { handle: string; roomId: string }, data: DataOf<T>): void {
    if (this.closed) return;
    const draft = this.draft(type, where, data);
    if ((this.hasArrears && !this.settle()) || !this.append(draft)) this.keep(draft);
  }

  /**
   * Tells an open gap, which ends at `to`. All times are ms since 1970.
   * @param lastSeenAt the room has ended within the gap, and was last known to be on air then
   */
  gap(where: { handle: string; roomId: string }, { from, reason, rate }: OpenGap, to: number, lastSeenAt?: number): void {
    const missedEstimate = rate === undefined ? undefined : Math.round((rate * Math.max(0, to - from)) / 1000);
    const data = gapData(where.roomId, Math.min(from, to), to, reason, missedEstimate);
    if (lastSeenAt !== undefined) data.lastSeenAt = new Date(Math.min(Math.max(from, lastSeenAt), to)).toISOString();
    this.monitor('monitor.gap', where, data);
    this.options.onGap(reason);
  }

  /** Tries to say what memory could not take before. Call it about once a second. False while it still cannot. */
  settle(): boolean {
    while (this.unsaid[0]) {
      if (this.closed || !this.append(this.unsaid[0])) return false;
      this.unsaid.shift();
    }
    if (!this.lost) return true;
    const { from, to, count, handle, roomId } = this.lost;
    const draft = this.draft('monitor.gap', { handle, roomId }, gapData(roomId, from, to, 'buffer-full', count));
    if (this.closed || !this.append(draft)) return false;
    this.lost = undefined;
    this.options.onGap('buffer-full');
    return true;
  }

  /** The lease is gone: whatever is still unsaid belongs to the next holder's gap. */
  close(): void {
    this.closed = true;
    this.unsaid.length = 0;
    this.lost = undefined;
  }

  private get hasArrears(): boolean {
    return this.lost !== undefined || this.unsaid.length > 0;
  }

  private append(draft: EventDraft): boolean {
    const carry = this.isCarryDue ? encodeCreatorCarry(this.carry) : undefined;
    if (!this.options.appender.append(draft, this.options.fence, carry)) return false;
    this.isCarryDue = false;
    this.events += 1;
    return true;
  }

  private draft<T extends MonitorType>(type: T, { handle, roomId }: { handle: string; roomId: string }, data: DataOf<T>): EventDraft {
    const now = this.options.now();
    this.n += 1;
    const id = monitorEventId(this.options.creatorId, this.options.fence, this.n);
    return { id, type, creatorId: this.options.creatorId, handle, roomId, time: now, receivedAt: now, data: cleaned(data) };
  }

  private lose({ time, receivedAt, handle, roomId }: EventDraft): void {
    const at = Math.min(receivedAt, Math.max(time, receivedAt - UNREAD_MS_MAX));
    this.lost ??= { from: at, to: receivedAt, count: 0, handle, roomId };
    this.lost.from = Math.min(this.lost.from, at);
    this.lost.to = Math.max(this.lost.to, receivedAt);
    this.lost.count += 1;
  }

  private keep(draft: EventDraft): void {
    this.unsaid.push(draft);
    if (this.unsaid.length <= UNSAID_MAX) return;
    const dropped = this.unsaid.shift()!;
    this.lose(dropped);
    // What a dropped gap told is told by the one that will be said.
    if (this.lost && dropped.type === 'monitor.gap') {
      this.lost.from = Math.min(this.lost.from, Date.parse((dropped.data as DataOf<'monitor.gap'>).from));
    }
  }
}

/** Data whose texts any store takes: titles and refusals are TikTok's words. */
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
