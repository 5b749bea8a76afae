import type { Redis } from 'ioredis';
import type { LogKeys } from '../log-keys.js';
import { nameOf, receivedAt, type RefusedEvent } from '../producer/partition-queue.js';
import type { ReadBack } from '../producer/run-appender.js';

/** Events of a creator that had arrived between these times (ms since 1970) may be lost. */
export interface LostPeriod extends Pick<RefusedEvent, 'creatorId' | 'fence' | 'handle' | 'roomId'> {
  from: number;
  to: number;
}

export interface ReplayLossesOptions {
  redis: Redis;
  keys: LogKeys;
  read: ReadBack;
  /** `handle` and `roomId` are '' where only the lease of the creator is known. */
  onLost(stretch: LostPeriod): void;
}

interface Loss {
  /** Arrival of the last event before it; undefined where that cannot be read either. */
  from: number | undefined;
  /** By creator, when it began: all leases of the partition, and without `from` the last arrivals in Redis. */
  leases: Readonly<Record<string, string>>;
  lastAt: Readonly<Record<string, string>>;
  to: number;
}

interface Part {
  known: Map<string, RefusedEvent>;
  lastAt?: number;
  open?: Loss;
  past: Loss[];
}

/**
 * Reports events that are missing in the middle of an ended run's spool. Later events of the run are accepted, so no takeover
 * would report the loss. The creators of missing events are not known, so it is reported for each one that may be affected.
 */
export class ReplayLosses {
  private readonly parts = new Map<number, Part>();

  constructor(private readonly options: ReplayLossesOptions) {}

  /** Reads events, and remembers a loss before any event behind it reaches Redis. */
  readonly readBack: ReadBack = async (partition, n, eventsMax) => {
    const read = await this.options.read(partition, n, eventsMax);
    const part = this.partOf(partition);
    if ('events' in read) for (const { args } of read.events) this.note(part, args);
    else if ('next' in read) part.open ??= await this.begin(partition, part, n);
    return read;
  };

  /** Ends the loss of this partition: the next readable event had arrived at `to`, in ms since 1970. */
  end(partition: number, to: number): void {
    const part = this.partOf(partition);
    if (!part.open) return;
    const loss = { ...part.open, to };
    part.open = undefined;
    part.past.push(loss);
    for (const event of part.known.values()) this.report(loss, event);
    for (const [creatorId, lease] of Object.entries(loss.leases)) {
      if (!part.known.has(creatorId)) this.report(loss, { creatorId, fence: lease.split(' ')[0]!, handle: '', roomId: '' });
    }
  }

  private partOf(partition: number): Part {
    const known = this.parts.get(partition);
    if (known) return known;
    const part: Part = { known: new Map(), past: [] };
    this.parts.set(partition, part);
    return part;
  }

  private note(part: Part, args: string[]): void {
    const event = nameOf(args);
    part.lastAt = event.receivedAt;
    // Without a fence it belongs to no lease; nothing else is known of its creator.
    if (event.fence === '') return;
    const before = part.known.get(event.creatorId);
    part.known.set(event.creatorId, event);
    // No worker held its lease when the loss was reported.
    if (!before) for (const loss of part.past) if (loss.leases[event.creatorId] === undefined) this.report(loss, event);
  }

  private async begin(partition: number, part: Part, n: number): Promise<Loss> {
    const { redis, keys, read } = this.options;
    let from = part.lastAt;
    if (from === undefined && n > 1) {
      // Appended before this replay began; its segment may still be there.
      const before = await read(partition, n - 1, 1);
      if ('events' in before) from = receivedAt(before.events[0]!.args);
    }
    const leases = await redis.hgetall(keys.leases(partition));
    const lastAt = from === undefined ? await redis.hgetall(keys.last(partition)) : {};
    return { from, leases, lastAt, to: 0 };
  }

  private report({ from, lastAt, to }: Loss, { creatorId, fence, handle, roomId }: Omit<LostPeriod, 'from' | 'to'>): void {
    // A fence is the time of its lease in microseconds; no event under it is older.
    const begins = from ?? Number(lastAt[creatorId] ?? Math.floor(Number(fence) / 1000));
    this.options.onLost({ creatorId, fence, handle, roomId, from: Math.min(begins, to), to });
  }
}
