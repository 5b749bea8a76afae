import { fairShare, type ListedWorker, type Share, type WorkerRecord, type WorkerRegistry } from '@tributary/creators';
import type { Logger } from '@tributary/runtime';

export interface WorkerMembershipOptions {
  workers: WorkerRegistry;
  /** This worker's name in the registry. */
  worker: string;
  capacity: number;
  leaseTtlMs: number;
  logger: Pick<Logger, 'warn'>;
}

/** Heartbeats come each second. With a short lease time, one late heartbeat must not remove a worker. */
const HEARTBEAT_AGE_MS_MIN = 2_500;

/** This worker among all workers that share the creators. Every method throws when Redis does not answer. */
export class WorkerMembership {
  private isShort = false;

  constructor(private readonly options: WorkerMembershipOptions) {}

  heartbeat(state: Pick<WorkerRecord, 'creators' | 'counters' | 'startedAt'>): Promise<void> {
    const { workers, worker, capacity } = this.options;
    return workers.heartbeat({ worker, capacity, ...state });
  }

  /** Removes this worker from the registry: the others compute their share without it. */
  leave(): Promise<void> {
    return this.options.workers.leave(this.options.worker);
  }

  /** Whether another worker could take one more creator. */
  async hasRoomElsewhere(): Promise<boolean> {
    return (await this.others()).some(({ creators, capacity }) => creators < capacity);
  }

  /** This worker's share of so many creators. Logs when the capacity of all workers together is too small. */
  async share(creators: number): Promise<Share> {
    const { capacity, logger } = this.options;
    const others = (await this.others()).map((other) => other.capacity);
    const all = others.reduce((sum, other) => sum + other, capacity);
    const isShort = creators > all;
    if (isShort && !this.isShort)
      logger.warn({ creators, capacity: all }, 'more creators than all workers may hold; some are not monitored');
    this.isShort = isShort;
    return fairShare(creators, capacity, others);
  }

  /** The other living workers. */
  private async others(): Promise<ListedWorker[]> {
    const { workers, worker, leaseTtlMs } = this.options;
    const ageMsMax = Math.max(leaseTtlMs / 2, HEARTBEAT_AGE_MS_MIN);
    return (await workers.list()).filter((other) => other.worker !== worker && other.beatAgeMs <= ageMsMax);
  }
}
