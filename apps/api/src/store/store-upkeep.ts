import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Config, type Logger } from '@tributary/runtime';
import type { Pool } from 'pg';
import { type Loop, startLoop } from '../loop.js';
import { LOGGER, STORE_POOL } from '../resources.js';
import { DayPartitions } from './retention/days.js';
import { buildIndexes } from './schema/index-builder.js';
import { StoreWriter } from './writer/writer.js';

const TRIM_EVERY_MS = 5_000;
const DAYS_EVERY_MS = 3_600_000;
const INDEXES_EVERY_MS = 600_000;

/** Background work on what is stored: trimming the inbox, day partitions and retention, missing indexes. */
@Injectable()
export class StoreUpkeep implements OnApplicationBootstrap, OnApplicationShutdown {
  private loops: Loop[] = [];

  constructor(
    private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly writer: StoreWriter,
    private readonly days: DayPartitions,
    @Inject(STORE_POOL) private readonly pool: Pool,
  ) {}

  onApplicationBootstrap(): void {
    const { logger } = this;
    this.loops = [
      startLoop({ name: 'inbox trimming', everyMs: TRIM_EVERY_MS, logger }, () => this.writer.upkeep()),
      startLoop({ name: 'day partitions', everyMs: DAYS_EVERY_MS, logger }, (signal) => this.keepDays(signal)),
      startLoop({ name: 'index building', everyMs: INDEXES_EVERY_MS, logger }, async (signal) => {
        const built = await buildIndexes(this.pool, signal);
        if (built.length > 0) logger.info({ indexes: built.length }, 'missing indexes were built');
      }),
    ];
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }

  private async keepDays(signal: AbortSignal): Promise<void> {
    await this.days.ensureLive();
    if (this.config.retentionDays === 0) return;
    const dropped = await this.days.dropOlderThan(this.config.retentionDays, signal);
    if (dropped.length > 0) this.logger.info({ days: dropped.length }, 'days past their retention were dropped');
  }
}
