import type { CreatorProjection, StatusStore } from '@tributary/creators';
import type { Logger } from '@tributary/runtime';

export interface RemovedCreatorsOptions {
  statuses: StatusStore;
  projection: CreatorProjection;
  logger: Pick<Logger, 'info'>;
  /** Deletes what Redis keeps beside the leases of creators that are not monitored; returns their ids. */
  purge(isMonitored: (creatorId: string) => boolean): Promise<string[]>;
}

const EVERY_MS = 600_000;

/** Deletes from Redis what is left of creators that are no longer monitored. Workers begin at different times. */
export class RemovedCreators {
  private dueAt: number;

  constructor(
    private readonly options: RemovedCreatorsOptions,
    now: number,
  ) {
    this.dueAt = now + Math.random() * EVERY_MS;
  }

  /** Deletes what is due, at most every ten minutes. Throws when Redis does not answer. */
  async purge(isMonitored: (creatorId: string) => boolean, now: number): Promise<void> {
    if (now < this.dueAt) return;
    this.dueAt = now + EVERY_MS;
    const { statuses, projection, logger } = this.options;
    const purged = await this.options.purge(isMonitored);
    await Promise.all([statuses.remove(purged), projection.removeSeen(purged)]);
    if (purged.length > 0) logger.info({ creators: purged.length }, 'data of removed creators deleted from Redis');
  }
}
