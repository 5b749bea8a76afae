import { hashKey, isInTime, type KeyLookup, type KeyRecord } from '@tributary/runtime';

/** A key that was found, in the projection of this version. */
interface Known {
  record: KeyRecord;
  version: string;
  /** ms when the projection last had it. */
  at: number;
}

/** How long an answer of Redis holds for all keys of its version: with what the api takes to copy a change, below 2 s. */
const FRESH_MS = 1_000;
/** How long a key goes on working while Redis is away or its projection is being rebuilt. */
const KEEP_MS = 600_000;
const ENTRIES_MAX = 10_000;

/**
 * Keys by hash, asked of the projection in Redis and remembered. Every answer tells the version of the whole projection, so one
 * question a second confirms all keys that were found in that version.
 */
export class KeyCache {
  private readonly known = new Map<string, Known>();
  private confirmed = { version: '', at: -Infinity };

  /** `lookup` gives undefined where Redis does not answer. */
  constructor(
    private readonly lookup: (hash: string) => Promise<KeyLookup | undefined>,
    private readonly now: () => number = Date.now,
  ) {}

  /** The record of a key in force, undefined when there is none, `unknown` while Redis does not answer. */
  find(key: string): Promise<KeyRecord | undefined | 'unknown'> {
    return this.findHash(hashKey(key));
  }

  /** The record of a key that is known to be in force, by its sha256, without asking. */
  peekHash(hash: string): KeyRecord | undefined {
    const cached = this.known.get(hash);
    const now = this.now();
    if (!cached || cached.version !== this.confirmed.version || now - this.confirmed.at >= FRESH_MS) return undefined;
    return isInTime(cached.record, now) ? cached.record : undefined;
  }

  /** The same as {@link find} by the key's sha256. */
  async findHash(hash: string): Promise<KeyRecord | undefined | 'unknown'> {
    const fresh = this.peekHash(hash);
    if (fresh) return fresh;
    // From when the question was asked: the answer may have waited.
    const at = this.now();
    const answer = await this.lookup(hash);
    if (answer === undefined || answer.version === null) return this.kept(hash);
    const { version, record } = answer;
    if (at >= this.confirmed.at) this.confirmed = { version, at };
    this.known.delete(hash);
    if (!record || !isInTime(record, this.now())) return undefined;
    // Only keys that exist are kept: made-up ones must not push them out.
    if (this.known.size >= ENTRIES_MAX) this.known.delete(this.known.keys().next().value ?? hash);
    this.known.set(hash, { record, version, at });
    return record;
  }

  /** A key that was known a while ago, where Redis cannot say anything. Its time ends all the same. */
  private kept(hash: string): KeyRecord | undefined | 'unknown' {
    const cached = this.known.get(hash);
    const now = this.now();
    if (!cached || now - Math.max(cached.at, this.confirmedAt(cached)) >= KEEP_MS) return 'unknown';
    return isInTime(cached.record, now) ? cached.record : undefined;
  }

  private confirmedAt({ version }: Known): number {
    return version === this.confirmed.version ? this.confirmed.at : -Infinity;
  }
}
