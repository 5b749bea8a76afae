import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { hashKey, isInTime, type KeyRecord, type Logger, Problem, reasonOf } from '@tributary/runtime';
import type pg from 'pg';
import { type Loop, startLoop } from '../loop.js';
import { readVersion } from '../projections/versions.js';
import { LOGGER, POOL } from '../resources.js';
import { outsideRequests } from './request-context.js';
import { readKeys } from './stored-keys.js';

/** A key that another process revoked is refused after this and one query: well below the 2 s that are promised. */
const CHECK_MS = 500;
/** An unknown key may be a new one: asked for again at most this often, whatever is guessed at us. */
const RELOAD_MS_MIN = 500;
const USED_FLUSH_MS = 30_000;

/** All keys in force, in memory: no request waits for PostgreSQL, and the last known keys survive its outage. */
@Injectable()
export class KeyRing implements OnApplicationBootstrap, OnModuleDestroy {
  private byHash: ReadonlyMap<string, KeyRecord> | undefined;
  private byId: ReadonlyMap<string, KeyRecord> = new Map();
  private version: string | undefined;
  private loadedAt = 0;
  private loading: Promise<void> | undefined;
  private readonly used = new Set<string>();
  /** What goes on for longer than a request, by the id of its key. */
  private readonly watches = new Map<string, Set<() => void>>();
  private loops: Loop[] = [];

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.loops = [
      startLoop({ name: 'key ring', everyMs: CHECK_MS, retry: { firstMs: 200, maxMs: CHECK_MS }, logger: this.logger }, () => this.check()),
      startLoop({ name: 'last use of keys', everyMs: USED_FLUSH_MS, logger: this.logger }, () => this.flushUsed()),
    ];
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
    await this.flushUsed().catch((error: unknown) => this.logger.warn({ err: error }, 'the last use of keys was not recorded'));
  }

  /** The record of a key in force, undefined for any other text. */
  async find(key: string): Promise<KeyRecord | undefined> {
    const hash = hashKey(key);
    if (!this.byHash?.has(hash) && (!this.byHash || Date.now() - this.loadedAt >= RELOAD_MS_MIN)) await this.reload();
    const record = this.byHash?.get(hash);
    if (!record || !isInTime(record)) return undefined;
    this.used.add(record.id);
    return record;
  }

  /** The record of the key with this id, where it is in force. */
  get(id: string): KeyRecord | undefined {
    const record = this.byId.get(id);
    return record && isInTime(record) ? record : undefined;
  }

  /** Whether a key that was accepted before is still in force. */
  holds({ id }: KeyRecord): boolean {
    return this.get(id) !== undefined;
  }

  /** Calls `end` once the key is no longer in force. @returns ends the watching */
  whileHeld({ id }: KeyRecord, end: () => void): () => void {
    const own = this.watches.get(id) ?? new Set();
    this.watches.set(id, own.add(end));
    return () => {
      own.delete(end);
      if (own.size === 0 && this.watches.get(id) === own) this.watches.delete(id);
    };
  }

  /** Reads the keys anew: this process has just changed them, or met one it does not know. */
  async reload(): Promise<void> {
    try {
      // A read that is under way may have begun before the change.
      await this.loading?.catch(() => undefined);
      await this.load();
    } catch (error) {
      if (this.byHash) return;
      this.logger.warn({ reason: reasonOf(error) }, 'keys cannot be read');
      throw new Problem('unavailable', 'keys cannot be checked now: PostgreSQL does not answer', { headers: { 'retry-after': '2' } });
    }
  }

  /** Notices what others have changed, and what has expired. The latter needs no database. */
  private async check(): Promise<void> {
    try {
      if ((await readVersion(this.pool, 'keys')) !== this.version) await this.load();
    } finally {
      this.endLapsed();
    }
  }

  private load(): Promise<void> {
    this.loading ??= outsideRequests(() => this.read()).finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  private async read(): Promise<void> {
    const version = await readVersion(this.pool, 'keys');
    const { records, malformed } = await readKeys(this.pool);
    for (const id of malformed) this.logger.error({ key: id }, 'a key has a restriction that cannot be read; it is refused');
    this.byHash = records;
    this.byId = new Map([...records.values()].map((record) => [record.id, record]));
    this.version = version;
    this.loadedAt = Date.now();
    this.endLapsed();
  }

  private endLapsed(): void {
    for (const [id, ends] of this.watches) if (this.get(id) === undefined) for (const end of [...ends]) end();
  }

  private async flushUsed(): Promise<void> {
    if (this.used.size === 0) return;
    const ids = [...this.used];
    this.used.clear();
    await this.pool.query('update api_keys set last_used_at = now() where id = any($1)', [ids]);
  }
}
