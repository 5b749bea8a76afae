import { Inject, Injectable } from '@nestjs/common';
import { type CreatorStatus, type ListedWorker, StatusStore, WorkerRegistry } from '@tributary/creators';
import { Config } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import { REDIS } from '../resources.js';

/** What a worker last reported of a creator, and whether a living worker holds it. */
export interface HeldStatus {
  status: CreatorStatus;
  isHeld: boolean;
}

/** What workers say of creators, beside whether these workers live. */
@Injectable()
export class CreatorStatuses {
  readonly board: StatusStore;
  private readonly workers: WorkerRegistry;
  private readonly leaseTtlMs: number;

  constructor(@Inject(REDIS) redis: Redis, { redisPrefix: prefix, leaseTtlMs }: Config) {
    this.board = new StatusStore({ redis, prefix });
    this.workers = new WorkerRegistry({ redis, prefix, leaseTtlMs });
    this.leaseTtlMs = leaseTtlMs;
  }

  /**
   * What was last reported of each creator, in the order of `ids`; undefined where nothing was.
   * @throws when Redis does not answer
   */
  async of(ids: readonly string[]): Promise<((HeldStatus & { worker?: ListedWorker }) | undefined)[]> {
    // Statuses first: a worker beats before it says anything, and must not be missed for having started in between.
    const statuses = await this.board.readMany(ids);
    const seen = new Map((await this.workers.list()).map((worker) => [worker.worker, worker]));
    return statuses.map((status) => {
      if (!status) return undefined;
      const worker = status.worker === undefined ? undefined : seen.get(status.worker);
      return { status, isHeld: worker !== undefined && worker.beatAgeMs <= this.leaseTtlMs, ...(worker ? { worker } : {}) };
    });
  }
}
