import type { StoredEvent } from '@tributary/events';
import type { EventFilter } from '../../filter/filter.js';
import { FilterIndex } from '../../filter/filter-index.js';

/** Takes events as they are stored. It must be quick: it runs within the commit's batch. */
export interface Subscriber {
  readonly filter: EventFilter;
  /** Takes an event; false when there is no room, which ends the subscription. */
  offer(event: StoredEvent): boolean;
  /** Called once after a batch in which something was offered. */
  offered(): void;
  /** The subscription has ended, because what comes next is not in memory. Everything up to `reached` was offered. */
  dropped(reached: number): void;
}

/**
 * Those who take events without pulling them, found by what they filter for: a batch costs its events and the subscribers that want
 * them, however many there are. One that cannot keep up is dropped and costs the others nothing.
 */
export class Subscribers {
  private readonly all = new Set<Subscriber>();
  private readonly index = new FilterIndex<Subscriber>();

  add(subscriber: Subscriber): void {
    this.all.add(subscriber);
    this.index.add(subscriber);
  }

  remove(subscriber: Subscriber): void {
    this.all.delete(subscriber);
    this.index.remove(subscriber);
  }

  /** Offers a batch to those who want something of it. */
  offer(events: readonly StoredEvent[]): void {
    if (this.all.size === 0) return;
    const touched = new Set<Subscriber>();
    for (const event of events) {
      for (const wanting of [this.index.everything, this.index.matching(event)]) {
        for (const subscriber of wanting) {
          if (subscriber.offer(event)) touched.add(subscriber);
          else this.remove(subscriber);
        }
      }
    }
    for (const subscriber of touched) subscriber.offered();
  }

  /** Ends all of them. */
  dropAll(reached: number): void {
    for (const subscriber of [...this.all]) {
      this.remove(subscriber);
      subscriber.dropped(reached);
    }
  }
}
