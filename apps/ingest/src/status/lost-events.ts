import { type EventDraft, type GapReason, monitorEventId } from '@tributary/events';
import type { LostPeriod, RefusedEvent } from '@tributary/log';
import type { Appender } from '../session/creator-publisher.js';

/** Fence of an event that the log takes whoever holds its creator: no holder publishes it. */
const NO_FENCE = '';
/** Losses that wait for memory. When there are more, the oldest are published early. */
const LOSSES_MAX = 10_000;

interface Loss extends LostPeriod {
  reason: GapReason;
  /** Undefined where nobody has counted the events. */
  count?: number;
}

/**
 * Losses that no holder knows of: events that the log refused after a wipe of Redis, and events that a replayed spool cannot
 * read back. Publishes one gap for each creator, room and reason.
 */
export class LostEvents {
  private readonly losses = new Map<string, Loss>();

  constructor(
    private readonly options: {
      log: Appender;
      now(): number;
      /** '' for a creator that is not monitored, undefined while the list of creators is unknown. */
      handleOf(creatorId: string): string | undefined;
    },
  ) {}

  /** An event that was refused, and that no holder's gap includes. */
  addRefused({ receivedAt, ...event }: RefusedEvent): void {
    this.add({ ...event, from: receivedAt, to: receivedAt, reason: 'takeover', count: 1 });
  }

  /** Events that cannot be read back from disk. */
  addPeriod(period: LostPeriod): void {
    this.add({ ...period, reason: 'buffer-full' });
  }

  /** Publishes a gap for each loss; what memory does not take is tried again. Call it about once a second. Returns the number of gaps. */
  publishGaps(): number {
    let published = 0;
    for (const [key, loss] of this.losses) {
      const handle = loss.handle || this.options.handleOf(loss.creatorId);
      if (handle === undefined) continue;
      if (handle !== '') {
        if (!this.options.log.append(this.gapOf({ ...loss, handle }), NO_FENCE)) break;
        published += 1;
      }
      this.losses.delete(key);
    }
    return published;
  }

  private add(loss: Loss): void {
    const key = `${loss.creatorId} ${loss.fence} ${loss.roomId} ${loss.reason}`;
    const known = this.losses.get(key);
    if (known) {
      known.from = Math.min(known.from, loss.from);
      known.to = Math.max(known.to, loss.to);
      if (known.count !== undefined) known.count += loss.count ?? 0;
      return;
    }
    if (this.losses.size >= LOSSES_MAX) this.publishGaps();
    this.losses.set(key, loss);
  }

  private gapOf({ creatorId, fence, handle, roomId, from, to, reason, count }: Loss): EventDraft {
    const now = this.options.now();
    return {
      // A holder numbers its events from 1 on, and never reaches a time in ms.
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
