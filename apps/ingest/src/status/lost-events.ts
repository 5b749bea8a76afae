import { type EventDraft, type GapReason, monitorEventId } from '@tributary/events';
import type { LostStretch, RefusedEvent } from '@tributary/log';
import type { Appender } from '../session/creator-publisher.js';

/** Fence of an event that the log takes whoever holds its creator: this is not a word of a holder. */
const UNJUDGED = '';
/** Creators whose losses wait to be told; of more at once the oldest wait no longer. */
const CREATORS_MAX = 10_000;

interface Loss extends LostStretch {
  reason: GapReason;
  /** Undefined where nobody has counted them. */
  count?: number;
}

/**
 * Events that no holder knows to be missing: those that this worker has received and the log has refused, which nobody
 * else knows of once Redis was wiped, and those that a spool it replays has lost. It tells each creator's stretch as one gap.
 */
export class LostEvents {
  private readonly losses = new Map<string, Loss>();

  constructor(
    private readonly options: {
      appender: Appender;
      now(): number;
      /** '' for a creator that is not monitored, undefined while it is not known who is. */
      handleOf(creatorId: string): string | undefined;
    },
  ) {}

  add({ receivedAt, ...event }: RefusedEvent): void {
    this.put({ ...event, from: receivedAt, to: receivedAt, reason: 'takeover', count: 1 });
  }

  /** Events that cannot be read back. */
  addStretch(stretch: LostStretch): void {
    this.put({ ...stretch, reason: 'buffer-full' });
  }

  /** Tells what was added; what memory does not take is tried again. Call it about once a second. Returns how many it told. */
  tell(): number {
    let told = 0;
    for (const [key, loss] of this.losses) {
      const handle = loss.handle || this.options.handleOf(loss.creatorId);
      if (handle === undefined) continue;
      if (handle !== '') {
        if (!this.options.appender.append(this.gapOf({ ...loss, handle }), UNJUDGED)) break;
        told += 1;
      }
      this.losses.delete(key);
    }
    return told;
  }

  private put(loss: Loss): void {
    const key = `${loss.creatorId} ${loss.fence} ${loss.roomId} ${loss.reason}`;
    const known = this.losses.get(key);
    if (known) {
      known.from = Math.min(known.from, loss.from);
      known.to = Math.max(known.to, loss.to);
      if (known.count !== undefined) known.count += loss.count ?? 0;
      return;
    }
    if (this.losses.size >= CREATORS_MAX) this.tell();
    this.losses.set(key, loss);
  }

  private gapOf({ creatorId, fence, handle, roomId, from, to, reason, count }: Loss): EventDraft {
    const now = this.options.now();
    return {
      // A holder's own numbers begin at 1, and its events are never as many as a time in ms.
      id: monitorEventId(creatorId, fence, from),
      type: 'monitor.gap',
      creatorId,
      handle,
      roomId,
      time: now,
      receivedAt: now,
      data: {
        ...(roomId === '' ? {} : { roomId }),
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
        reason,
        ...(count === undefined ? {} : { missedEstimate: count }),
      },
    };
  }
}
