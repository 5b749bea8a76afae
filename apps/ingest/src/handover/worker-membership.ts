import { fairShare, type ListedWorker, type Share, type WorkerRegistry, type WorkerRecord } from '@tributary/creators';
import type { SessionLogger } from '../session/session-services.js';

export interface FleetOptions {
  workers: WorkerRegistry;
  /** This worker's name on the board. */
  worker: string;
  capacity: number;
  leaseTtlMs: number;
  logger: SessionLogger;
}

/** A worker beats each second: with a short lease time, one late beat must not take it off. */
const BEAT_AGE_MS_MIN = 2_500;

/** The workers that share all creators, as this one sees them. Every method throws when Redis does not answer. */
export class Fleet {
  private isShort = false;

  constructor(private readonly options: FleetOptions) {}

  /** Says that this worker lives. */
  beat(state: Pick<WorkerRecord, 'creators' | 'counters' | 'startedAt'>): Promise<void> {
    const { workers, worker, capacity } = this.options;
    return workers.heartbeat({ worker, capacity, ...state });
  }

  /** Takes this worker off the board: the others count their share without it. */
  leave(): Promise<void> {
    return this.options.workers.leave(this.options.worker);
  }

  /** Whether another worker could take a creator more. */
  async hasRoom(): Promise<boolean> {
    return (await this.others()).some(({ creators, capacity }) => creators < capacity);
  }

  /** This worker's part of so many creators; says it when all workers together may not hold them. */
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
    const beatAgeMsMax = Math.max(leaseTtlMs / 2, BEAT_AGE_MS_MIN);
    return (await workers.list()).filter((other) => other.worker !== worker && other.beatAgeMs <= beatAgeMsMax);
  }
}
