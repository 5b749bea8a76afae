import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { hashKey, type KeyRecord, type Logger, Problem, reasonOf } from '@tributary/runtime';
import type pg from 'pg';
import { type Loop, startLoop } from '../loop.js';
import { readVersion } from '../projections/versions.js';
import { LOGGER, POOL } from '../resources.js';

/** A key that another process revoked is refused after this at the latest. */
const CHECK_MS = 2_000;
/** An unknown key may be a new one: asked for again at most this often, whatever is guessed at us. */
const RELOAD_MS_MIN = 500;
const USED_FLUSH_MS = 30_000;

/** All keys in force, in memory: no request waits for PostgreSQL, and the last known keys survive its outage. */
@Injectable()
export class KeyRing implements OnApplicationBootstrap, OnModuleDestroy {
  private byHash: ReadonlyMap<string, KeyRecord> | undefined;
  private ids: ReadonlySet<string> = new Set();
  private version: string | undefined;
  private loadedAt = 0;
  private loading: Promise<void> | undefined;
  private readonly used = new Set<string>();
  private loops: Loop[] = [];

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.loops = [
      startLoop({ name: 'key ring', everyMs: CHECK_MS, logger: this.logger }, async () => {
        if ((await readVersion(this.pool, 'keys')) !== this.version) await this.load();
      }),
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
    const known = this.byHash?.get(hash);
    if (known) {
      this.used.add(known.id);
      return known;
    }
    if (!this.byHash || Date.now() - this.loadedAt >= RELOAD_MS_MIN) await this.reload();
    return this.byHash?.get(hash);
  }

  /** Whether a key that was accepted before is still in force. */
  holds(record: KeyRecord): boolean {
    return this.ids.has(record.id);
  }

  /** Reads the keys anew: this process has just changed them, or met one it does not know. */
  async reload(): Promise<void> {
    try {
      await this.load();
    } catch (error) {
      if (this.byHash) return;
      this.logger.warn({ reason: reasonOf(error) }, 'keys cannot be read');
      throw new Problem('unavailable', 'keys cannot be checked now: PostgreSQL does not answer', { headers: { 'retry-after': '2' } });
    }
  }

  private load(): Promise<void> {
    this.loading ??= this.read().finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  private async read(): Promise<void> {
    const version = await readVersion(this.pool, 'keys');
    this.byHash = await readKeys(this.pool);
    this.ids = new Set([...this.byHash.values()].map(({ id }) => id));
    this.version = version;
    this.loadedAt = Date.now();
  }

  private async flushUsed(): Promise<void> {
    if (this.used.size === 0) return;
    const ids = [...this.used];
    this.used.clear();
    await this.pool.query('update api_keys set last_used_at = now() where id = any($1)', [ids]);
  }
}

/** Every key in force by its hash. */
export async function readKeys(client: pg.Pool | pg.PoolClient): Promise<Map<string, KeyRecord>> {
  const { rows } = await client.query<KeyRecord & { hash: string }>('select hash, id, name, scopes from api_keys where revoked_at is null');
  return new Map(rows.map(({ hash, id, name, scopes }) => [hash, { id, name, scopes }]));
}
