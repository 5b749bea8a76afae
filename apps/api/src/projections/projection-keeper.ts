import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type Logger, Metrics, reasonOf, inTransaction } from '@tributary/runtime';
import type pg from 'pg';
import { Counter } from 'prom-client';
import { type Loop, startLoop } from '../loop.js';
import { LOGGER, POOL } from '../resources.js';
import { type ProjectionName, readVersion } from './versions.js';

/** One table that Redis has a copy of. */
export interface Projection {
  name: ProjectionName;
  /** How often the copy is compared with the table, and the longest wait after a failure, in ms; 2,000 and 5,000 when absent. */
  checkMs?: number;
  /** Version of the copy; null when there is none (a wipe). */
  copiedVersion(): Promise<string | null>;
  /** Reads the table and replaces the copy, its version last. */
  copy(client: pg.PoolClient, version: string): Promise<void>;
}

/** A wiped Redis has its projections back after this and the time of one copy. */
const CHECK_MS = 2_000;
const RETRY = { firstMs: 200, maxMs: 5_000 };

/** Keeps the copies in Redis equal to PostgreSQL: after each change, and whenever a copy is missing or of another version. */
@Injectable()
export class ProjectionKeeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly projections: Projection[] = [];
  private readonly loops = new Map<ProjectionName, Loop>();
  private readonly copies: Counter<'projection'>;

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.copies = new Counter({
      name: 'tributary_projection_copies_total',
      help: 'Times a projection was written to Redis',
      labelNames: ['projection'],
      registers: [metrics],
    });
  }

  add(projection: Projection): void {
    this.projections.push(projection);
  }

  /** The table has changed: copies it without waiting for the next check. */
  changed(name: ProjectionName): void {
    this.loops.get(name)?.wake();
  }

  /** Copies a table that has changed; whether the copy was there within `timeoutMs`. It is made in any case, as soon as it can be. */
  async copied(name: ProjectionName, timeoutMs: number): Promise<boolean> {
    const projection = this.projections.find((one) => one.name === name);
    if (!projection) throw new Error(`there is no projection ${name}`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, false);
    });
    const copy = this.check(projection).then(
      () => true,
      (error: unknown) => {
        this.logger.warn({ projection: name, reason: reasonOf(error) }, 'a projection cannot be copied to Redis; trying again');
        this.changed(name);
        return false;
      },
    );
    return Promise.race([copy, late]).finally(() => clearTimeout(timer));
  }

  onApplicationBootstrap(): void {
    for (const projection of this.projections) {
      const { name, checkMs } = projection;
      const options = { name: `projection of ${name}`, everyMs: checkMs ?? CHECK_MS, retry: { ...RETRY, maxMs: checkMs ?? RETRY.maxMs } };
      this.loops.set(
        name,
        startLoop({ ...options, logger: this.logger }, () => this.check(projection)),
      );
    }
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all([...this.loops.values()].map((loop) => loop.stop()));
  }

  private async check(projection: Projection): Promise<void> {
    const { name } = projection;
    if ((await projection.copiedVersion()) === (await readVersion(this.pool, name))) return;
    await inTransaction(this.pool, async (client) => {
      // Two api processes writing one copy at the same time could mix two versions under the newer number.
      await client.query('select pg_advisory_xact_lock(hashtext($1))', [`tributary projection ${name}`]);
      const version = await readVersion(client, name);
      const before = await projection.copiedVersion();
      if (before === version) return;
      await projection.copy(client, version);
      this.copies.inc({ projection: name });
      this.logger.debug({ projection: name, before, version }, 'projection copied to Redis');
    });
  }
}
