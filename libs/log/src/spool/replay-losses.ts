import type { Redis } from 'ioredis';
import type { LogKeys } from '../keys.js';
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
 * Tells what the spool of a run that ended has lost in its middle: its events behind that are accepted, so that no later
 * takeover would count what is missing. Which creators it was of is not known, so that each is told that can have been in it.
 */
export class ReplayLosses {
  private readonly parts = new Map<number, Part>();

  constructor(private readonly options: ReplayLossesOptions) {}

  /** Reads, and remembers what has to be known of a loss before anything behind it reaches Redis. */
  readonly readBack: ReadBack = async (partition, n, eventsMax) => {
    const read = await this.options.read(partition, n, eventsMax);
    const part = this.partOf(partition);
    if ('events' in read) for (const { args } of read.events) this.note(part, args);
    else if ('next' in read) part.open ??= await this.begin(partition, part, n);
    return read;
  };

  /** The loss of this partition ends: the next event that could be read had arrived at `to`, in ms since 1970. */
  end(partition: number, to: number): void {
    const part = this.partOf(partition);
    if (!part.open) return;
    const loss = { ...part.open, to };
    part.open = undefined;
    part.past.push(loss);
    for (const event of part.known.values()) this.tell(loss, event);
    for (const [creatorId, lease] of Object.entries(loss.leases)) {
      if (!part.known.has(creatorId)) this.tell(loss, { creatorId, fence: lease.split(' ')[0]!, handle: '', roomId: '' });
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
    // Told under no lease: what there is to know of its creator is known otherwise.
    if (event.fence === '') return;
    const before = part.known.get(event.creatorId);
    part.known.set(event.creatorId, event);
    // Nobody had its lease when the loss was told.
    if (!before) for (const loss of part.past) if (loss.leases[event.creatorId] === undefined) this.tell(loss, event);
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

  private tell({ from, lastAt, to }: Loss, { creatorId, fence, handle, roomId }: Omit<LostPeriod, 'from' | 'to'>): void {
    // Nothing under a fence, which is in microseconds, is older than it.
    const begins = from ?? Number(lastAt[creatorId] ?? Math.floor(Number(fence) / 1000));
    this.options.onLost({ creatorId, fence, handle, roomId, from: Math.min(begins, to), to });
  }
}
