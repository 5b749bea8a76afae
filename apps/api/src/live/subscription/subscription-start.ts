import { Injectable } from '@nestjs/common';
import { judgeAscending } from '../../events/positions.js';
import { EventStore } from '../../store/event-store.js';
import { type EventFilter, spanOf } from '../../filter/filter.js';
import type { GivenPosition, Hello } from '../codec.js';
import { StreamLimits } from '../stream-limits.js';

/** Where a subscription starts, and what its reader learns of it. */
export interface SubscriptionStart extends Pick<Hello, 'from' | 'recovered' | 'reason'> {
  generation: number;
  /** Position after which events follow. */
  after: number;
  head: number;
}

/** Finds where subscriptions start, for every kind of connection. */
@Injectable()
export class SubscriptionStarts {
  constructor(
    private readonly store: EventStore,
    private readonly limits: StreamLimits,
  ) {}

  /**
   * After the position that was given; without one, or where it cannot be honoured, at `since`; else at the head of the log.
   * @throws Problem 400 naming the field for text that is no cursor, or is one of a descending list
   */
  async find(given: GivenPosition | undefined, since: Date | undefined): Promise<SubscriptionStart> {
    const head = await this.store.head();
    const { generation, seq } = head;
    const verdict = given && judgeAscending(given.text, head, given.field);
    if (verdict?.kind === 'good') return { generation, after: verdict.position.seq, head: seq, from: 'cursor', recovered: true };
    const lost = verdict ? { recovered: false, reason: verdict.reason } : { recovered: true };
    if (!since) return { generation, after: seq, head: seq, from: 'head', ...lost };
    // A position before the oldest event would be refused when the reader comes back with it.
    const after = Math.min(seq, Math.max(await this.store.positionAt(since), head.oldestSeq - 1));
    return { generation, after, head: seq, from: 'since', ...lost };
  }

  /** Whether nothing follows for a reader whose `until` is past. One that connects again by itself would do so for ever. */
  async hasEverything(filter: EventFilter, { after, recovered }: SubscriptionStart): Promise<boolean> {
    const { before } = spanOf(filter);
    if (!recovered || !before || before.getTime() + this.limits.lateMs > Date.now()) return false;
    const page = await this.store.query(filter, { after, order: 'asc', limit: 1 });
    return page.events.length === 0 && !page.more;
  }
}
