import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type KeyRecord, readKeyRecord } from './api-keys.js';

/** Result of a look-up in the projection. */
export interface KeyLookup {
  /** Version of the whole projection; null when there is none: then nothing is known, which is not "no keys". */
  version: string | null;
  record: KeyRecord | undefined;
}

const VERSION = 'version';
const FIELDS_PER_COMMAND = 500;
/** A half-written copy expires after this. */
const UNFINISHED_MS = 60_000;

/**
 * Projection of the keys in Redis, for processes that have no PostgreSQL: one hash, in which a key's sha256 (hex) leads to its
 * record and `version` to the version of all of them. It is replaced as a whole, so that no reader sees two versions at once.
 */
export class KeyProjection {
  private readonly hash: string;
  private readonly former: { hash: string; version: string };

  constructor(
    private readonly redis: Redis,
    prefix: string,
  ) {
    this.hash = `${prefix}:{${prefix}:keys}:2`;
    this.former = { hash: `${prefix}:keys`, version: `${prefix}:keys:version` };
  }

  /** Null where there is no projection (a wipe, or nothing was ever written). */
  version(): Promise<string | null> {
    return this.redis.hget(this.hash, VERSION);
  }

  /**
   * Replaces the whole projection, or leaves it as it is.
   * @param records by the sha256 of the key
   * @throws Error when Redis did not take all of it
   */
  async write(records: ReadonlyMap<string, KeyRecord>, version: string): Promise<void> {
    await this.writeFormer(records, version);
    // In the slot of the hash, for the renaming; of its own, for two writers at a time.
    const next = `${this.hash}:next:${randomUUID()}`;
    const batch = this.redis.pipeline().hset(next, VERSION, version).pexpire(next, UNFINISHED_MS);
    for (const fields of inParts(records, (record) => JSON.stringify(record))) batch.hset(next, ...fields);
    await all(batch);
    await all(this.redis.multi().persist(next).rename(next, this.hash));
  }

  /** Looks a key up by its sha256, in hex. A record that cannot be read counts as none. */
  async lookup(hash: string): Promise<KeyLookup> {
    const [version = null, text] = await this.redis.hmget(this.hash, VERSION, hash);
    return { version, record: version !== null && text ? readKeyRecord(text) : undefined };
  }

  /**
   * The copy that signers of the version before read, while both run. They know no restriction and no expiry, so that it leaves
   * out the keys that have one.
   */
  private async writeFormer(records: ReadonlyMap<string, KeyRecord>, version: string): Promise<void> {
    const { hash, version: versionKey } = this.former;
    const unlimited = new Map([...records].filter(([, { restriction, expiresAt }]) => !restriction && expiresAt === undefined));
    const batch = this.redis.pipeline().del(versionKey).del(hash);
    for (const fields of inParts(unlimited, ({ id, name, scopes }) => JSON.stringify({ id, name, scopes }))) batch.hset(hash, ...fields);
    await all(batch);
    // An api of the version before compares the plain number.
    await this.redis.set(versionKey, version.split('-', 1)[0] ?? version);
  }
}

function* inParts(records: ReadonlyMap<string, KeyRecord>, text: (record: KeyRecord) => string): Generator<string[]> {
  const entries = [...records];
  for (let at = 0; at < entries.length; at += FIELDS_PER_COMMAND) {
    yield entries.slice(at, at + FIELDS_PER_COMMAND).flatMap(([hash, record]) => [hash, text(record)]);
  }
}

/** Checks all commands, since a pipeline continues after a failed one. @throws the first failure */
async function all(batch: ReturnType<Redis['pipeline']>): Promise<void> {
  const results = await batch.exec();
  if (!results) throw new Error('Redis has discarded the transaction');
  const failed = results.find(([error]) => error)?.[0];
  if (failed) throw failed;
}
