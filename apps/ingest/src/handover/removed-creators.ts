import type { CreatorProjection, StatusStore } from '@tributary/creators';
import type { SessionLogger } from '../session/session-services.js';

export interface ForgetterOptions {
  statuses: StatusStore;
  projection: CreatorProjection;
  logger: SessionLogger;
  /** Forgets what Redis keeps of creators that are not monitored; answers their ids. */
  forget(isMonitored: (creatorId: string) => boolean): Promise<string[]>;
}

/** Between two looks for removed creators that nobody holds any more. */
const EVERY_MS = 600_000;

/** Removes from Redis what is left of creators that are no longer monitored. Workers begin at different times. */
export class Forgetter {
  private at: number;

  constructor(
    private readonly options: ForgetterOptions,
    now: number,
  ) {
    this.at = now + Math.random() * EVERY_MS;
  }

  /** Looks, where it is time to. Throws when Redis does not answer. */
  async round(isMonitored: (creatorId: string) => boolean, now: number): Promise<void> {
    if (now < this.at) return;
    this.at = now + EVERY_MS;
    const { statuses, projection, logger } = this.options;
    const forgotten = await this.options.forget(isMonitored);
    await Promise.all([statuses.remove(forgotten), projection.forgetSeen(forgotten)]);
    if (forgotten.length > 0) logger.info({ creators: forgotten.length }, 'removed creators are forgotten');
  }
}
