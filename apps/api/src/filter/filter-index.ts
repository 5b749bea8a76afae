import type { StoredEvent } from '@tributary/events';
import type { FilterField, FilterKeys } from './field.js';
import { type EventFilter, type FieldName, FIELDS, matches, partsOf } from './filter.js';

/** What is found by the events that it wants. */
interface Filtered {
  readonly filter: EventFilter;
}

/** Those that have a key of a field. */
interface Entry<T> {
  items: Set<T>;
  /** Where events have no keys of the field. */
  test?: (event: StoredEvent) => boolean;
}

/** One kind of keys of a field, and who has them. */
class KeyTable<T> {
  readonly entries = new Map<string, Entry<T>>();

  constructor(
    private readonly field: FilterField<unknown>,
    private readonly keys: FilterKeys<unknown>,
  ) {}

  add(item: T, value: unknown): void {
    for (const key of this.keys.of(value)) {
      const entry = this.entries.get(key);
      if (entry) entry.items.add(item);
      else this.entries.set(key, { items: new Set([item]), ...(this.keys.ofEvent ? {} : { test: this.field.test(key) }) });
    }
  }

  remove(item: T, value: unknown): void {
    for (const key of this.keys.of(value)) {
      const entry = this.entries.get(key);
      entry?.items.delete(item);
      if (entry?.items.size === 0) this.entries.delete(key);
    }
  }

  /** Gives those that have a key in common with an event. */
  offer(event: StoredEvent, take: (items: ReadonlySet<T>) => void): void {
    const { entries } = this;
    if (entries.size === 0) return;
    if (this.keys.ofEvent) {
      for (const key of this.keys.ofEvent(event)) {
        const entry = entries.get(key);
        if (entry) take(entry.items);
      }
    } else for (const { items, test } of entries.values()) if (test?.(event)) take(items);
  }
}

/** Finds the filters that an event passes without looking at the others: its cost is the event's, and that of those found. */
export class FilterIndex<T extends Filtered> {
  /** Those that want every event. */
  readonly unfiltered = new Set<T>();
  /** Those that cannot be found by keys: they are tested with every event. */
  private readonly unindexed = new Set<T>();
  private readonly keyed: { name: FieldName; places: KeyTable<T>[] }[] = FIELDS.flatMap(([name, field]) =>
    field.keys ? [{ name, places: field.keys.map((keys) => new KeyTable<T>(field, keys)) }] : [],
  );
  private readonly all = new Set<T>();

  /** All of them, as they were added. */
  get items(): ReadonlySet<T> {
    return this.all;
  }

  add(item: T): void {
    this.all.add(item);
    const place = this.placeOf(item);
    if (place instanceof Set) place.add(item);
    else for (const keyed of place.places) keyed.add(item, place.value);
  }

  remove(item: T): void {
    if (!this.all.delete(item)) return;
    const place = this.placeOf(item);
    if (place instanceof Set) place.delete(item);
    else for (const keyed of place.places) keyed.remove(item, place.value);
  }

  /** Those whose filter lets `event` through, without {@link unfiltered}; each once. */
  matching(event: StoredEvent): Set<T> {
    const found = new Set<T>();
    if (this.all.size === this.unfiltered.size) return found;
    const consider = (items: ReadonlySet<T>) => {
      for (const item of items) if (matches(item.filter, event)) found.add(item);
    };
    for (const { places } of this.keyed) for (const keyed of places) keyed.offer(event, consider);
    consider(this.unindexed);
    return found;
  }

  /** One field is enough to be found by: the first in the order of the table. */
  private placeOf({ filter }: T): { places: KeyTable<T>[]; value: unknown } | Set<T> {
    const parts = partsOf(filter);
    for (const { name, places } of this.keyed) {
      const part = parts.find((one) => one.name === name);
      if (part) return { places, value: part.value };
    }
    return parts.length > 0 ? this.unindexed : this.unfiltered;
  }
}
