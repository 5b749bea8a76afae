import type { Redis } from 'ioredis';
import type { LogKeys } from '../log-keys.js';
import { memoryOf } from '../redis-limits.js';
import { LuaScript } from '@tributary/runtime/lua-script';

const POSITION = new URL('./position.lua', import.meta.url);
const script = (name: string) => new LuaScript(new URL(`./${name}.lua`, import.meta.url), POSITION);
const READ = script('read');
const CONFIRM = script('confirm');
const RECONFIRM = script('reconfirm');
const LAG = script('lag');
const TRIM = script('trim');
/** A producer run that was not confirmed for this long is forgotten. */
const FORGET_RUN_MS = 7 * 86_400_000;
/** Entries removed by one command, which others wait for, and commands of one call in each partition. */
const TRIM_ENTRIES = 1_000;
const TRIM_STEPS_MAX = 1_000;

/**
 * A reader's position in one partition: the entry's id, the append call that wrote it, and the epoch of the partition. The
 * call tells the entry from another one of that id, on a replica that was promoted without the newest entries.
 */
export interface PartitionPosition {
  epoch: string;
  id: string;
  /** Missing where a version before this one wrote the entry or the position. */
  call?: string;
}

/** Positions by partition number; a missing one is read from the beginning. */
export type Positions = Record<string, PartitionPosition>;

/** One entry of the inbox, its fields as text: nothing is checked yet. */
export interface InboxEntry {
  partition: number;
  entryId: string;
  fields: Record<string, string>;
}

/** A batch: entries, in order within each partition, and the positions after them. */
export interface InboxBatch {
  from: Positions;
  to: Positions;
  entries: InboxEntry[];
  /** Partitions whose position is not known any more: they are read again from their oldest entry. */
  restarted?: number[];
}

export interface InboxReaderOptions {
  redis: Redis;
  keys: LogKeys;
  /** Most entries of one batch over all partitions. */
  batchEntriesMax: number;
  /** ms that stored entries are kept for readers outside. */
  keepMs: number;
  /** Bytes the whole inbox may take; 0: half of Redis's maxmemory. */
  inboxBytesMax: number;
}

/** Reads the inbox for the store, and confirms to producers what became permanent. It keeps no position: PostgreSQL does. */
export class InboxReader {
  constructor(private readonly options: InboxReaderOptions) {}

  /** Reads what comes after `from`; an empty batch when there is nothing. */
  async read(from: Positions): Promise<InboxBatch> {
    const { redis, keys, batchEntriesMax } = this.options;
    const perPartition = Math.max(1, Math.ceil(batchEntriesMax / keys.partitions));
    const batch = { from, to: { ...from }, entries: [] as InboxEntry[], restarted: [] as number[] };
    const parts = await this.each(async (partition) => {
      const answer = await READ.run(redis, this.placeOf(partition), [...argsOf(from[partition]), perPartition]);
      return answer as [string, number, [string, string[]][]];
    });
    parts.forEach(([epoch, isKnown, rows], partition) => {
      let call: string | undefined;
      for (const [entryId, flat] of rows) {
        const fields = toFields(flat);
        batch.entries.push({ partition, entryId, fields });
        call = fields.call;
      }
      const last = rows.at(-1);
      if (!last) return;
      batch.to[partition] = { epoch, id: last[0], call };
      if (from[partition] && !isKnown) batch.restarted.push(partition);
    });
    return batch;
  }

  /** Confirms to the producers that the entries of a batch are stored. */
  async confirm({ entries, to }: Pick<InboxBatch, 'entries' | 'to'>): Promise<void> {
    const { redis, keys } = this.options;
    const newest = new Map<number, Map<string, number>>();
    for (const { partition, fields } of entries) {
      const number = Number(fields.n);
      if (!fields.run || !Number.isSafeInteger(number)) continue;
      const runs = newest.get(partition) ?? new Map<string, number>();
      runs.set(fields.run, Math.max(number, runs.get(fields.run) ?? 0));
      newest.set(partition, runs);
    }
    await Promise.all(
      [...newest].map(([partition, runs]) =>
        CONFIRM.run(redis, [...this.placeOf(partition), keys.stored(partition)], [...argsOf(to[partition]), ...[...runs].flat()]),
      ),
    );
  }

  /**
   * Confirms what is stored but was not confirmed, because a writer died in between or Redis refused it. Call it periodically: events
   * that one call finds appended are confirmed by a later call, once `stored` has passed them, or by the same when nothing is unread.
   */
  async reconfirm(stored: Positions): Promise<void> {
    const { redis, keys } = this.options;
    await this.each((p) =>
      RECONFIRM.run(
        redis,
        [...this.placeOf(p), keys.stored(p), keys.producers(p), keys.checkpoint(p)],
        [...argsOf(stored[p]), FORGET_RUN_MS],
      ),
    );
  }

  /** Trims every partition behind what is stored, as far as its bound, its age or Redis's memory ask for; returns the number of entries removed. */
  async trim(stored: Positions): Promise<number> {
    const { redis, keys, keepMs } = this.options;
    const { inboxBytesMax, isShort } = await memoryOf(redis, this.options.inboxBytesMax);
    const bytesMax = Math.floor(inboxBytesMax / keys.partitions);
    const removed = await this.each(async (p) => {
      const args = [...argsOf(stored[p]), keepMs, bytesMax, TRIM_ENTRIES, isShort ? 1 : 0];
      let sum = 0;
      for (let step = 0; step < TRIM_STEPS_MAX; step += 1) {
        const count = Number(await TRIM.run(redis, [...this.placeOf(p), keys.appended(p)], args));
        sum += count;
        // Whole nodes are removed, so that a full step may be somewhat under its limit.
        if (count < TRIM_ENTRIES / 2) break;
      }
      return sum;
    });
    return removed.reduce((sum, count) => sum + count, 0);
  }

  /** How far the store lags behind: entries after `positions`, and the age of the oldest in ms. Costs the same whatever the lag. */
  async lag(positions: Positions): Promise<{ entries: number; oldestMs: number }> {
    const { redis, keys } = this.options;
    const parts = await this.each(async (p) => {
      const answer = await LAG.run(redis, [...this.placeOf(p), keys.appended(p)], argsOf(positions[p]));
      return answer as [number, number];
    });
    return { entries: parts.reduce((sum, [entries]) => sum + entries, 0), oldestMs: Math.max(...parts.map(([, ms]) => ms)) };
  }

  private each<T>(work: (partition: number) => Promise<T>): Promise<T[]> {
    return Promise.all(Array.from({ length: this.options.keys.partitions }, (_, partition) => work(partition)));
  }

  /** Keys by which position.lua knows a position. */
  private placeOf(partition: number): string[] {
    return [this.options.keys.inbox(partition), this.options.keys.epoch(partition)];
  }
}

/** A position as position.lua takes it. */
function argsOf(position: PartitionPosition | undefined): string[] {
  return position ? [position.epoch, position.id, position.call ?? ''] : ['', '0-0', ''];
}

function toFields(flat: string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
  return fields;
}
