import type { StoredEvent } from '@tributary/events';
import { type EventFilter, lowerCase, matches, viewerOf } from '../store/filter.js';

/** What is found by the events that it wants. */
interface Filtered {
  readonly filter: EventFilter;
}

/** What an index needs of an event: `data` may be missing where no filter asks for a viewer or a text. */
type IndexedEvent = Pick<StoredEvent, 'type' | 'creatorId' | 'receivedAt'> & Partial<Pick<StoredEvent, 'roomId' | 'data'>>;

/** Finds the filters that an event passes without looking at the others: its cost is the event's, and that of those found. */
export class FilterIndex<T extends Filtered> {
  /** Those that want every event. */
  readonly everything = new Set<T>();
  private readonly byCreator = new Map<string, Set<T>>();
  private readonly byRoom = new Map<string, Set<T>>();
  /** By TikTok user id, and by handle in lower case: one text may be either. */
  private readonly byUser = new Map<string, Set<T>>();
  private readonly byType = new Map<string, Set<T>>();
  /** By the part of a type before its `*`. */
  private readonly byPrefix = new Map<string, Set<T>>();
  /** Those that want one text are asked once, however many they are. */
  private readonly byText = new Map<string, Set<T>>();
  private readonly byTime = new Set<T>();
  private readonly all = new Set<T>();

  get size(): number {
    return this.all.size;
  }

  add(item: T): void {
    this.all.add(item);
    for (const [map, key] of this.placesOf(item)) {
      const items = map.get(key);
      if (items) items.add(item);
      else map.set(key, new Set([item]));
    }
    this.setOf(item)?.add(item);
  }

  remove(item: T): void {
    if (!this.all.delete(item)) return;
    for (const [map, key] of this.placesOf(item)) {
      const items = map.get(key);
      items?.delete(item);
      if (items?.size === 0) map.delete(key);
    }
    this.setOf(item)?.delete(item);
  }

  /** Those whose filter lets `event` through, without {@link everything}; each once. */
  matching(event: IndexedEvent): Set<T> {
    const found = new Set<T>();
    if (this.all.size === this.everything.size) return found;
    const complete = { roomId: '', data: {}, ...event } as StoredEvent;
    const consider = (items: ReadonlySet<T> | undefined) => {
      if (items) for (const item of items) if (matches(item.filter, complete)) found.add(item);
    };
    consider(this.byCreator.get(event.creatorId));
    consider(this.byRoom.get(complete.roomId));
    consider(this.byType.get(event.type));
    consider(this.byTime);
    if (this.byPrefix.size > 0) for (let i = 0; i <= event.type.length; i++) consider(this.byPrefix.get(event.type.slice(0, i)));
    if (this.byUser.size > 0) for (const name of namesOf(complete)) consider(this.byUser.get(name));
    for (const [q, items] of this.byText) if (matches({ q }, complete)) consider(items);
    return found;
  }

  /** One part of a filter is enough to be found by; the one that fewest events have. */
  private *placesOf({ filter }: T): Generator<[Map<string, Set<T>>, string]> {
    const { creatorIds, roomId, userId, types, q } = filter;
    if (roomId) yield [this.byRoom, roomId];
    else if (creatorIds) for (const id of new Set(creatorIds)) yield [this.byCreator, id];
    else if (userId) for (const name of new Set([userId, lowerCase(userId)])) yield [this.byUser, name];
    else if (types && !types.includes('*')) {
      for (const type of new Set(types)) yield type.endsWith('*') ? [this.byPrefix, type.slice(0, -1)] : [this.byType, type];
    } else if (q) yield [this.byText, q];
  }

  /** The set of a filter that has none of these parts. */
  private setOf({ filter: { creatorIds, roomId, userId, types, q, since, until } }: T): Set<T> | undefined {
    if (roomId || creatorIds || userId || q || (types && !types.includes('*'))) return undefined;
    return since || until ? this.byTime : this.everything;
  }
}

function* namesOf({ data }: StoredEvent): Generator<string> {
  const { id, handle } = viewerOf(data);
  if (id !== undefined) yield id;
  if (handle !== undefined) yield handle;
}
