import { hashKey, type KeyProjection, type KeyRecord } from '@tributary/runtime';

/** A key that was found. */
interface Known {
  record: KeyRecord;
  at: number;
}

const FRESH_MS = 10_000;
/** How long a key goes on working while Redis is away or its projection is being rebuilt. */
const KEEP_MS = 600_000;
const ENTRIES_MAX = 10_000;

/** Keys by hash, asked of the projection in Redis and remembered for a while. */
export class KeyCache {
  private readonly known = new Map<string, Known>();

  /** `lookup` gives undefined for a key that there is not, and `unknown` where that cannot be told. */
  constructor(
    private readonly lookup: KeyProjection['lookupHash'],
    private readonly now: () => number = Date.now,
  ) {}

  /** The record of a key, undefined when there is none, `unknown` when that cannot be told. */
  find(key: string): Promise<KeyRecord | undefined | 'unknown'> {
    return this.findHash(hashKey(key));
  }

  /** The record of a key that was asked for a moment ago, by its sha256, without asking. */
  peekHash(hash: string): KeyRecord | undefined {
    const cached = this.known.get(hash);
    return cached && this.now() - cached.at < FRESH_MS ? cached.record : undefined;
  }

  /** The same by the key's sha256. */
  async findHash(hash: string): Promise<KeyRecord | undefined | 'unknown'> {
    const fresh = this.peekHash(hash);
    if (fresh) return fresh;
    const cached = this.known.get(hash);
    const found = await this.lookup(hash);
    if (found === 'unknown') return cached && this.now() - cached.at < KEEP_MS ? cached.record : 'unknown';
    this.known.delete(hash);
    // Only keys that exist are kept: made-up ones must not push them out.
    if (found) {
      if (this.known.size >= ENTRIES_MAX) this.known.delete(this.known.keys().next().value ?? hash);
      this.known.set(hash, { record: found, at: this.now() });
    }
    return found;
  }
}
