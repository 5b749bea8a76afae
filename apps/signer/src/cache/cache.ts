import { pause } from '@tributary/runtime';
import type { CacheKind, Entry } from './kinds.js';
import { MemoryLevel } from './memory.js';
import type { SharedLevel } from './shared.js';

/** Result of a load. A failure is not cached; an older value is served in its place while it is still usable. */
export type Loaded<T, F> = { ok: true; value: T } | { ok: false; failure: F };

/** Where a value came from. `shared`: an equal request was under way. `stale`: loading a new one failed. */
export type CacheOrigin = 'memory' | 'redis' | 'loaded' | 'shared' | 'stale';

export type Cached<T, F> = { ok: true; value: T; from: CacheOrigin } | { ok: false; failure: F; from: 'failed' | 'shared' };

export interface CacheOptions {
  shared: Pick<SharedLevel, 'get' | 'put' | 'delete' | 'lock'>;
  /** Of all kinds together, in this process. */
  memory: { entriesMax: number; bytesMax: number };
  /** How long one signer loads for all others at most; after that they load for themselves. */
  lockMs: number;
  /** Counts how each request was answered. */
  count: (kind: string, from: CacheOrigin | 'failed') => void;
  now?: () => number;
}

interface Flight {
  result: Promise<Cached<unknown, unknown>>;
  waiting: number;
  gone: AbortController;
}

const ENTRY_BYTES = 500;
/** While an old value is served because loading fails, loading is tried this often. */
const RETRY_MS = 1_000;
/** Interval of polls for a value that another signer is loading. */
const ASK_MS = 25;

/**
 * Caches values by kind and key, in this process and in Redis. Equal requests at the same time cause one load, over all signers.
 * A value that cannot be reloaded is served for a while longer.
 */
export class Cache {
  private readonly memory: MemoryLevel;
  private readonly flights = new Map<string, Flight>();
  private readonly now: () => number;

  constructor(private readonly options: CacheOptions) {
    this.memory = new MemoryLevel(options.memory);
    this.now = options.now ?? Date.now;
  }

  /** A fresh value from this process' memory, without waiting. */
  peek<T>(kind: CacheKind<T>, key: string): T | undefined {
    const entry = this.memory.get(`${kind.name} ${key}`);
    if (!entry || entry.freshUntil <= this.now()) return undefined;
    this.options.count(kind.name, 'memory');
    return entry.value as T;
  }

  /**
   * The cached value, else the result of `load`. `load` bounds its own time; its signal aborts when no caller waits for it any
   * more (`signal`).
   */
  async get<T, F>(
    kind: CacheKind<T>,
    key: string,
    load: (signal: AbortSignal) => Promise<Loaded<T, F>>,
    signal: AbortSignal,
  ): Promise<Cached<T, F>> {
    const known = this.peek(kind, key);
    if (known !== undefined) return { ok: true, value: known, from: 'memory' };
    const name = `${kind.name} ${key}`;
    const joined = this.flights.get(name);
    const flight = joined ?? this.depart(kind, key, name, load);
    const leave = () => {
      flight.waiting -= 1;
      if (flight.waiting > 0) return;
      flight.gone.abort();
      // A new caller must not get the result of an abandoned load.
      if (this.flights.get(name) === flight) this.flights.delete(name);
    };
    flight.waiting += 1;
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    const result = (await flight.result) as Cached<T, F>;
    signal.removeEventListener('abort', leave);
    const answer: Cached<T, F> = joined && result.from !== 'stale' ? { ...result, from: 'shared' } : result;
    this.options.count(kind.name, answer.from);
    return answer;
  }

  /** Removes a value that turned out to be bad. */
  async forget<T>(kind: CacheKind<T>, key: string): Promise<void> {
    this.memory.delete(`${kind.name} ${key}`);
    if (!kind.local) await this.options.shared.delete(kind, key);
  }

  /** Stores a value that was not loaded by {@link get}. */
  async keep<T>(kind: CacheKind<T>, key: string, value: T): Promise<void> {
    const freshMs = kind.freshMs(value);
    if (freshMs <= 0) return;
    const now = this.now();
    const entry = { value, freshUntil: now + freshMs, keepUntil: now + freshMs + kind.staleMs };
    this.remember(kind, key, entry);
    if (!kind.local) await this.options.shared.put(kind, key, entry, now);
  }

  get size(): { entries: number; bytes: number } {
    return this.memory.size;
  }

  private depart<T, F>(kind: CacheKind<T>, key: string, name: string, load: (signal: AbortSignal) => Promise<Loaded<T, F>>): Flight {
    const gone = new AbortController();
    const flight: Flight = {
      waiting: 0,
      gone,
      result: this.fly(kind, key, load, gone.signal).finally(() => {
        if (this.flights.get(name) === flight) this.flights.delete(name);
      }),
    };
    this.flights.set(name, flight);
    return flight;
  }

  private async fly<T, F>(
    kind: CacheKind<T>,
    key: string,
    load: (signal: AbortSignal) => Promise<Loaded<T, F>>,
    signal: AbortSignal,
  ): Promise<Cached<T, F>> {
    if (kind.local) return this.load(kind, key, load, undefined, signal);
    const { shared, lockMs } = this.options;
    const givesUpAt = this.now() + lockMs;
    for (;;) {
      const found = await shared.get(kind, key);
      if (found && found.freshUntil > this.now()) {
        this.remember(kind, key, found);
        return { ok: true, value: found.value, from: 'redis' };
      }
      const unlock = this.now() < givesUpAt && !signal.aborted ? await shared.lock(kind, key, lockMs) : () => Promise.resolve();
      if (unlock) {
        try {
          return await this.load(kind, key, load, found, signal);
        } finally {
          await unlock();
        }
      }
      await pause(ASK_MS, signal);
    }
  }

  private async load<T, F>(
    kind: CacheKind<T>,
    key: string,
    load: (signal: AbortSignal) => Promise<Loaded<T, F>>,
    found: Entry<T> | undefined,
    signal: AbortSignal,
  ): Promise<Cached<T, F>> {
    const loaded = await load(signal);
    if (loaded.ok) {
      await this.keep(kind, key, loaded.value);
      return { ok: true, value: loaded.value, from: 'loaded' };
    }
    const now = this.now();
    const old = (this.memory.get(`${kind.name} ${key}`) as Entry<T> | undefined) ?? found;
    if (!old || old.keepUntil <= now) return { ok: false, failure: loaded.failure, from: 'failed' };
    this.remember(kind, key, { ...old, freshUntil: Math.min(old.keepUntil, now + RETRY_MS) });
    return { ok: true, value: old.value, from: 'stale' };
  }

  private remember<T>(kind: CacheKind<T>, key: string, entry: Entry<T>): void {
    this.memory.set(`${kind.name} ${key}`, entry, kind.bytes?.(entry.value) ?? ENTRY_BYTES);
  }
}
