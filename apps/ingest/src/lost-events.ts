import { type EventDraft, monitorEventId } from '@tributary/events';
import type { RefusedEvent } from '@tributary/log';
import type { Appender } from './creator-voice.js';

/** Fence of an event that the log takes whoever holds its creator: this is not a word of a holder. */
const UNJUDGED = '';
/** Creators whose losses wait to be told; of more at once the oldest wait no longer. */
const CREATORS_MAX = 10_000;

interface Loss {
  first: RefusedEvent;
  from: number;
  to: number;
  count: number;
}

/**
 * Events that this worker has received, that the log has refused, and that no new holder knows to be missing: it tells
 * each creator's stretch as one gap. A cut-off worker is the only one that knows of them once Redis was wiped.
 */
export class LostEvents {
  private readonly losses = new Map<string, Loss>();

  constructor(private readonly options: { appender: Appender; now(): number }) {}

  add(event: RefusedEvent): void {
    const key = `${event.creatorId} ${event.fence} ${event.roomId}`;
    const loss = this.losses.get(key);
    if (loss) {
      loss.from = Math.min(loss.from, event.receivedAt);
      loss.to = Math.max(loss.to, event.receivedAt);
      loss.count += 1;
      return;
    }
    if (this.losses.size >= CREATORS_MAX) this.tell();
    this.losses.set(key, { first: event, from: event.receivedAt, to: event.receivedAt, count: 1 });
  }

  /** Tells what was added; what memory does not take is tried again. Call it about once a second. Returns how many it told. */
  tell(): number {
    let told = 0;
    for (const [key, loss] of this.losses) {
      if (!this.options.appender.append(this.gapOf(loss), UNJUDGED)) break;
      this.losses.delete(key);
      told += 1;
    }
    return told;
  }

  private gapOf({ first: { creatorId, fence, handle, roomId }, from, to, count }: Loss): EventDraft {
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
        reason: 'takeover',
        missedEstimate: count,
      },
    };
  }
}
